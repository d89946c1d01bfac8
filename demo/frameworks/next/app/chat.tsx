'use client'

import { useEffect, useState } from 'react'
import { type Bus, connect } from 'spanwire'
import { BusProvider, useEvents, usePresence, usePublish, useStatus } from 'spanwire/react'
import { events } from '../events'

declare module 'spanwire/react' {
  interface Register {
    events: typeof events
  }
}

/** Connects in the browser. The server renders an empty chat, and opens no connection. */
export function Chat({ url }: { url: string }) {
  const [bus, setBus] = useState<Bus<typeof events>>()
  useEffect(() => {
    const token = async () => (await (await fetch('/token')).json()).token
    const opened = connect({ url, events, token })
    setBus(opened)
    return () => void opened.close()
  }, [url])
  if (!bus) return <p>connecting</p>
  return (
    <BusProvider bus={bus}>
      <Messages />
    </BusProvider>
  )
}

function Messages() {
  const { events: messages, ready } = useEvents('chat.{room}.message', { room: 'lobby' }, { limit: 20 })
  const { members } = usePresence('lobby', { join: {} })
  const publish = usePublish()
  const { state } = useStatus()
  return (
    <section aria-busy={!ready}>
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
    </section>
  )
}
