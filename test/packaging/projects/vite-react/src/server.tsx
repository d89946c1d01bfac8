// Renders the same page on a server, without a window and without a connection.
import { renderToString } from 'react-dom/server'
import { connect } from 'spanwire'
import { http } from 'spanwire/http'
import { BusProvider } from 'spanwire/react'
import { events } from './events.ts'
import { Room } from './Room.tsx'
import { stored } from './stored.ts'

if ('window' in globalThis || 'document' in globalThis) throw new Error('This is not a server.')
const bus = connect({ transport: http({ url: 'http://bridge.test' }), events: { ...events, ...stored } })
console.log(
  renderToString(
    <BusProvider bus={bus}>
      <Room room="lobby" />
    </BusProvider>,
  ),
)
