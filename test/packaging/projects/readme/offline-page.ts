import { open } from './offline.ts'

const bus = open('ada', async () => (await (await fetch('/everything')).json()).token)
const { seq } = await bus.publish('shop.{id}.paid', { id: '9' }, { total: 3 })
console.log('stored', seq)
