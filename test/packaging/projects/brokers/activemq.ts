// The steps of sdk/migrate/ACTIVEMQ.md.
import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import process from 'node:process'
import { collect, runPieces, until } from './steps.ts'

await runPieces(['activemq', 'spanwire'], {
  async queue({ create, work }: typeof import('./activemq/queue.ts') | typeof import('./spanwire/queue.ts')) {
    const { seen, show } = collect<string>()
    await create('queue-a', 1)
    await work(async (orderId, total) => show(`${orderId} ${total}`))
    await create('queue-b', 2)
    await until(() => seen.length >= 2)
    deepEqual(seen, ['queue-a 1', 'queue-b 2'])
  },
  async topic({ quote, watch }: typeof import('./activemq/topic.ts') | typeof import('./spanwire/topic.ts')) {
    const { seen, show } = collect<string>()
    await quote('EARLY', 1)
    await watch((symbol, price) => show(`${symbol} ${price}`))
    await quote('ABC', 2)
    await until(() => seen.length >= 1)
    deepEqual(seen, ['ABC 2'])
  },
  async durable({ offer, watch }: typeof import('./activemq/durable.ts') | typeof import('./spanwire/durable.ts')) {
    const { seen, show } = collect<number>()
    await offer(1)
    const stop = await watch(show)
    await offer(2)
    await until(() => seen.length === 1)
    await stop()
    await offer(3)
    await watch(show)
    await until(() => seen.length === 2)
    deepEqual(seen, [2, 3])
  },
  async request({ answer, call }: typeof import('./activemq/request.ts') | typeof import('./spanwire/request.ts')) {
    await answer()
    deepEqual(await Promise.all([call(3), call(12)]), [9, 144])
  },
  async transaction({
    createAll,
    read,
  }: typeof import('./activemq/transaction.ts') | typeof import('./spanwire/transaction.ts')) {
    const { seen, show } = collect<number>()
    await read(show)
    const orders = [1, 2, -3].map((total) => ({ orderId: `import-${total}`, total }))
    await rejects(async () => createAll(orders))
    await createAll(orders.slice(0, 2))
    await until(() => seen.length >= 2)
    deepEqual(seen, [1, 2])
  },
  async selector({ offer, watch }: typeof import('./activemq/selector.ts') | typeof import('./spanwire/selector.ts')) {
    const { seen, show } = collect<number>()
    await watch(show)
    await offer('us', 'small', 1)
    await offer('uk', 'large', 2)
    await offer('us', 'large', 3)
    await offer('us', 'huge', 4)
    await until(() => seen.length >= 2)
    deepEqual(seen, [3, 4])
  },
  async schedule({
    remind,
    receive,
  }: typeof import('./activemq/schedule.ts') | typeof import('./spanwire/schedule.ts')) {
    const { seen, show } = collect<string>()
    await receive(show)
    const start = Date.now()
    await remind('later', 1_000)
    await until(() => seen.length > 0)
    deepEqual(seen, ['later'])
    ok(Date.now() - start >= 900)
  },
  async 'dead-letters'({
    create,
    work,
    readDead,
  }: typeof import('./activemq/dead-letters.ts') | typeof import('./spanwire/dead-letters.ts')) {
    const { seen, show } = collect<number>()
    let attempts = 0
    await work(async (orderId) => {
      if (orderId !== 'poison') return
      attempts++
      throw new Error('no attempt succeeds')
    })
    await readDead(show)
    await create('poison', 7)
    await until(() => seen.length > 0)
    deepEqual([seen, attempts], [[7], 3])
  },
  async 'virtual-topic'({
    announce,
    work,
  }: typeof import('./activemq/virtual-topic.ts') | typeof import('./spanwire/virtual-topic.ts')) {
    const [billing, shipping] = [collect<number>(), collect<number>()]
    for (let process = 0; process < 2; process++) await work('billing', async (total) => billing.show(total))
    await work('delivery', async (total) => shipping.show(total))
    for (const total of [1, 2, 3]) await announce(`virtual-${total}`, total)
    for (const { seen } of [billing, shipping]) {
      await until(() => seen.length >= 3)
      deepEqual(seen.toSorted(), [1, 2, 3])
    }
  },
  async groups({ create, ship }: typeof import('./activemq/groups.ts') | typeof import('./spanwire/groups.ts')) {
    const { seen, show } = collect<[string, number]>()
    for (let process = 0; process < 2; process++)
      await ship(async (orderId, total) => {
        await new Promise((resolve) => setTimeout(resolve, total < 4 ? 10 : 0))
        if (orderId.startsWith('group')) show([orderId, total])
      })
    for (let n = 0; n < 20; n++) await create(`group-${n % 4}`, n)
    await until(() => seen.length >= 20)
    const byGroup = Map.groupBy(seen, ([orderId]) => orderId)
    equal(byGroup.size, 4)
    for (const totals of byGroup.values())
      deepEqual(
        totals,
        totals.toSorted(([, a], [, b]) => a - b),
      )
  },
})
process.exit()
