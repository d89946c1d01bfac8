// A page of an application, with or without a bundler.
import { connect, defineEvents } from 'spanwire'

const events = defineEvents({
  'ticks.{id}': { '~standard': { version: 1, vendor: 'none', validate: (value) => ({ value }) } },
})
const bus = connect({ url: new URLSearchParams(location.search).get('bridge'), events })
await bus.on('ticks.{id}', (e) => {
  document.body.textContent = `${e.params.id} ${e.data.n}`
}).ready
await bus.publish('ticks.{id}', { id: 'a' }, { n: 42 })
