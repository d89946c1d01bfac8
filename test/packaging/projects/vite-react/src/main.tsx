import { StrictMode } from 'react'
import { createRoot } from 'react-dom/client'
import { connect } from 'spanwire'
import { BusProvider } from 'spanwire/react'
import { events } from './events.ts'
import { Room } from './Room.tsx'
import { stored } from './stored.ts'

const url = new URLSearchParams(location.search).get('bridge') ?? ''
const bus = connect({ url, events: { ...events, ...stored }, share: location.search.includes('share') })

createRoot(document.getElementById('root') as HTMLElement).render(
  <StrictMode>
    <BusProvider bus={bus}>
      <Room room="lobby" />
    </BusProvider>
  </StrictMode>,
)
