import { actions } from 'astro:actions'
import { connect } from 'spanwire'
import { events } from './events'

/** Makes the page live: shows messages and members, and sends the form to the server action. */
export async function startChat(): Promise<void> {
  const chat = document.querySelector<HTMLElement>('#chat')
  const form = document.querySelector('form')
  const line = chat?.querySelector('p')
  const button = chat?.querySelector('button')
  if (!chat || !form || !line || !button) return

  const bus = connect({
    url: chat.dataset.url ?? '',
    events,
    token: async () => (await (await fetch('/token')).json()).token,
  })

  const messages = bus.on('chat.{room}.message', { room: 'lobby' }, ({ data }) => {
    const item = document.createElement('li')
    item.textContent = `${data.from}: ${data.text}`
    chat.querySelector('ul')?.append(item)
  })

  form.addEventListener('submit', async (submit) => {
    submit.preventDefault()
    const { error } = await actions.say(new FormData(form))
    if (!error) form.reset()
  })
  button.addEventListener('click', () =>
    bus.publish('chat.{room}.message', { room: 'lobby' }, { from: 'page', text: 'hello' }),
  )

  const lobby = await bus.presence('lobby')
  const show = () => {
    line.textContent = `${bus.status.current.state}, ${lobby.members.size} here`
  }
  lobby.subscribe(show)
  bus.status.subscribe(show)
  await messages.ready
  await lobby.join({})
  button.disabled = false
}
