/** The compiler's messages for wrong calls name the valid names and the remedy, not the whole contract. */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { root } from '../build/source-files.ts'

const HEAD = `import * as z from 'zod'
import { connect, defineEvents, event } from '../../../sdk/index.ts'
const events = defineEvents({
  'orders.{orderId}.created': event(z.object({ total: z.number() }), { stream: 'ORDERS' }),
  'orders.{orderId}.paid': event(z.object({ by: z.string() }), { stream: 'ORDERS' }),
  'trades.{id}': event(z.object({ n: z.number() }), { stream: 'TRADES' }),
  'chat.{room}.message': z.object({ text: z.string() }),
})
const bus = connect({ url: 'ws://localhost:1', events })
`
const HINT = 'Write a name as in the contract, with its {params}. The params follow it.'
const LIST = 'A list must have events of one stream.'

/** Wrong calls, and texts of their messages. */
const wrong: ReadonlyArray<readonly [call: string, ...texts: string[]]> = [
  ["void bus.publish('orders.created', { total: 1 })", '"chat.{room}.message" | "orders.{orderId}.created"', HINT],
  ["void bus.publish('orders.42.created', { total: 1 })", '"orders.{orderId}.created"', HINT],
  ["bus.on('orders.42.created', () => {})", '"orders.{orderId}.created"', HINT],
  ["bus.subscribe('nothing')", '"orders.{orderId}.created"', HINT],
  ["bus.latest('chat.{room}.message')", '"orders.{orderId}.created" | "orders.{orderId}.paid" | "trades.{id}"'],
  ["void bus.publish('chat.{room}.message', { text: '' })", 'The params of chat.{room}.message come before the data.'],
  ["void bus.publish('chat.{room}.message', { room: '*' }, { text: '' })", 'A subject to publish to has no wildcards.'],
  ["void bus.request('chat.{room}.message', { room: '>' }, { text: '' })", 'A subject to publish to has no wildcards.'],
  ["bus.on(['orders.{orderId}.paid', 'chat.{room}.message'], () => {})", LIST],
  ["bus.on(['orders.{orderId}.paid', 'trades.{id}'], () => {})", LIST],
  ["bus.on(['orders.{orderId}.paid', 'nothing'], () => {})", '"nothing"', '"orders.{orderId}.created"'],
  ["bus.on('orders.{orderId}.paid', (e) => e.seq.toFixed(), { queue: 'q' })", "'e.seq' is possibly 'undefined'"],
  ["bus.on('chat.{room}.message', (e) => e.seq.toFixed())", "'e.seq' is possibly 'undefined'"],
]

let folder: string
let messages: string[]
beforeAll(async () => {
  folder = await mkdtemp(join(import.meta.dirname, '.generated-'))
  await Promise.all(wrong.map(([call], index) => writeFile(join(folder, `wrong${index}.ts`), `${HEAD}${call}\n`)))
  const right = `bus.on('orders.{orderId}.paid', (e) => e.seq.toFixed(), { from: 'all' })
bus.on(['orders.{orderId}.paid', 'orders.{orderId}.created'], { orderId: '1' }, (e) =>
  e.name === 'orders.{orderId}.paid' ? e.data.by : e.data.total,
)
`
  await writeFile(join(folder, 'right.ts'), HEAD + right)
  await writeFile(
    join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: '../../../tsconfig.json', include: ['*.ts'] }),
  )
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const output = await new Promise<string>((resolve) => {
    execFile(process.execPath, [tsc, '-p', folder, '--pretty', 'false'], { maxBuffer: 2 ** 26 }, (_, stdout) =>
      resolve(stdout),
    )
  })
  messages = output.split(/\n(?=\S)/)
}, 60_000)
afterAll(() => rm(folder, { recursive: true, force: true }))

const messagesOf = (file: string) => messages.filter((message) => message.includes(`${file}(`)).join('\n')

it.each(wrong.map(([call, ...texts], index) => [call, texts, index] as const))('%s', (_, texts, index) => {
  const message = messagesOf(`wrong${index}.ts`)
  for (const text of texts) expect(message).toContain(text)
  expect(message).not.toContain('ZodObject')
})

it('right calls compile', () => {
  expect(messagesOf('right.ts')).toBe('')
})
