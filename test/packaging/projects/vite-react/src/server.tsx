// What a server renders of the same page: there is no window, and nobody connects.
import { renderToString } from 'react-dom/server'
import { connect } from 'spanwire'
import { http } from 'spanwire/http'
import { BusProvider } from 'spanwire/react'
import { events } from './events.ts'
import { Room } from './Room.tsx'
import { stored } from './stored.ts'

if ('window' in globalThis || 'document' in globalThis) throw new Error('This is no server.')
const bus = connect({ transport: http({ url: 'http://bridge.test' }), events: { ...events, ...stored } })
console.log(
  renderToString(
    <BusProvider bus={bus}>
      <Room room="lobby" />
    </BusProvider>,
  ),
)
