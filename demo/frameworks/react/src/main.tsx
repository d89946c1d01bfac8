import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { connect } from 'spanwire'
import { BusProvider } from 'spanwire/react'
import { Chat } from './Chat.tsx'
import { events } from './events.ts'

// One connection for the page.
const bus = connect({
  url: import.meta.env.VITE_BRIDGE_URL,
  events,
  token: async () => (await (await fetch('/token')).json()).token,
})

createRoot(document.getElementById('root') as HTMLElement).render(
  <StrictMode>
    <BusProvider bus={bus}>
      <h1>Lobby</h1>
      <Chat />
    </BusProvider>
  </StrictMode>,
)
