import { useState } from 'react'
import { useEvents, usePresence, usePublish, useStatus } from 'spanwire/react'
import type { events } from './events.ts'

declare module 'spanwire/react' {
  interface Register {
    events: typeof events
  }
}

export function Chat() {
  const { events: messages, ready } = useEvents('chat.{room}.message', { room: 'lobby' }, { limit: 20 })
  const { members } = usePresence('lobby', { join: {} })
  const publish = usePublish()
  const { state } = useStatus()
  const [text, setText] = useState('')

  async function say() {
    await fetch('/say', {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ text }),
    })
    setText('')
  }

  return (
    <main aria-busy={!ready}>
      <p>
        {state}, {members.size} here
      </p>
      <ul>
        {messages.map((e) => (
          <li key={e.id}>
            {e.data.from}: {e.data.text}
          </li>
        ))}
      </ul>
      <button
        type="button"
        disabled={!ready}
        onClick={() => publish('chat.{room}.message', { room: 'lobby' }, { from: 'page', text: 'hello' })}
      >
        Say hello
      </button>
      <form
        onSubmit={(e) => {
          e.preventDefault()
          void say()
        }}
      >
        <input aria-label="Message" required value={text} onChange={(e) => setText(e.target.value)} />
        <button type="submit">Send by the server</button>
      </form>
    </main>
  )
}
