import { connect, defineEvents } from 'spanwire'

const anything = { '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) } }
const url = new URLSearchParams(location.search).get('bridge')
const bus = connect({ url, events: defineEvents({ 'a.{id}': anything }), share: true })
bus
  .on('a.{id}', ({ data }) => document.body.append(data))
  .ready.then(() => {
    document.title = 'ready'
  })
document.addEventListener('click', () => bus.publish('a.{id}', { id: 'x' }, 'hello'))
