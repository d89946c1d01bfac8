import { open } from './tabs.ts'

const token = async () => (await (await fetch('/everything')).json()).token
// Two buses are like two tabs. The second one uses the connection of the first.
const [one, other] = [open('ada', token), open('ada', token)]
const messages = other.subscribe('chat.{room}.message', { room: 'tabs' })
await messages.ready
await one.publish('chat.{room}.message', { room: 'tabs' }, { text: 'shared' })
for await (const { data } of messages) if (data.text === 'shared') break
console.log('the tabs are open')
