// The steps of sdk/migrate/KAFKA.md.
import { deepEqual, equal, rejects } from 'node:assert/strict'
import process from 'node:process'
import { collect, runPieces, until } from './steps.ts'

type Side = 'kafka' | 'spanwire'

/** Creates orders, with the numbers from 1 as their totals. */
async function create(side: Side, ...orderIds: readonly string[]): Promise<void> {
  const { create } = (await import(`./${side}/produce.ts`)) as typeof import('./spanwire/produce.ts')
  for (const [index, orderId] of orderIds.entries()) await create(orderId, index + 1)
}

await runPieces(['kafka', 'spanwire'], {
  async produce({ create }: typeof import('./kafka/produce.ts') | typeof import('./spanwire/produce.ts')) {
    await create('produce', 12)
  },
  async work({ work }: typeof import('./kafka/work.ts') | typeof import('./spanwire/work.ts'), side: Side) {
    const { seen, show } = collect<string>()
    void work(async (orderId, total) => show(`${orderId} ${total}`))
    await create(side, 'work-a', 'work-b')
    await until(() => seen.length >= 3)
    deepEqual(seen.toSorted(), ['produce 12', 'work-a 1', 'work-b 2'])
  },
  async order({ ship }: typeof import('./kafka/order.ts') | typeof import('./spanwire/order.ts'), side: Side) {
    const { seen, show } = collect<[string, number]>()
    const shipping = ship(async (orderId, total) => {
      await new Promise((resolve) => setTimeout(resolve, total === 1 ? 20 : 0))
      if (orderId.startsWith('order')) show([orderId, total])
    })
    if ('ready' in shipping) await shipping.ready
    await create(side, ...Array.from({ length: 20 }, (_, n) => `order-${n % 4}`))
    await until(() => seen.length >= 20)
    const byKey = Map.groupBy(seen, ([orderId]) => orderId)
    equal(byKey.size, 4)
    for (const totals of byKey.values())
      deepEqual(
        totals,
        totals.toSorted(([, a], [, b]) => a - b),
      )
  },
  async replay({ replay }: typeof import('./kafka/replay.ts') | typeof import('./spanwire/replay.ts'), side: Side) {
    const { seen, show } = collect<string>()
    await create(side, 'replay-early')
    // Later than the early order by the clock of this process and of the server.
    await new Promise((resolve) => setTimeout(resolve, 5))
    const since = new Date()
    await create(side, 'replay-late')
    void replay(since, (orderId) => show(orderId))
    await create(side, 'replay-live')
    await until(() => seen.length >= 2)
    deepEqual(seen.toSorted(), ['replay-late', 'replay-live'])
  },
  async table({ rename, remove, openTable }: typeof import('./kafka/table.ts') | typeof import('./spanwire/table.ts')) {
    await rename('1', 'Ada')
    await rename('1', 'Ada Lovelace')
    const { nameOf } = await openTable()
    await until(() => nameOf('1') === 'Ada Lovelace')
    await rename('2', 'Grace')
    await until(() => nameOf('2') === 'Grace')
    await remove('2')
    await until(() => nameOf('2') === undefined)
    equal(nameOf('1'), 'Ada Lovelace')
  },
  async 'dead-letters'(
    { work, readDead }: typeof import('./kafka/dead-letters.ts') | typeof import('./spanwire/dead-letters.ts'),
    side: Side,
  ) {
    const { seen, show } = collect<number>()
    let attempts = 0
    void work(async (orderId) => {
      if (orderId !== 'poison') return
      attempts++
      throw new Error('no attempt succeeds')
    })
    void readDead(show)
    await create(side, 'poison')
    await until(() => seen.length > 0)
    deepEqual([seen, attempts], [[1], 3])
  },
  async transaction(
    { createAll }: typeof import('./kafka/transaction.ts') | typeof import('./spanwire/transaction.ts'),
    side: Side,
  ) {
    const { replay } = (await import(`./${side}/replay.ts`)) as typeof import('./spanwire/replay.ts')
    const { seen, show } = collect<string>()
    void replay(new Date(), (orderId) => orderId.startsWith('import') && show(orderId))
    const orders = [1, 2, -3].map((total) => ({ orderId: `import${total}`, total }))
    await rejects(createAll(orders), /import-3/)
    await createAll(orders.slice(0, 2))
    await until(() => seen.length >= 2)
    deepEqual(seen.toSorted(), ['import1', 'import2'])
  },
  async transform(
    { charge, readCharges }: typeof import('./kafka/transform.ts') | typeof import('./spanwire/transform.ts'),
    side: Side,
  ) {
    const { seen, show } = collect<string>()
    void charge()
    void readCharges((orderId) => orderId.startsWith('charge') && show(orderId))
    await create(side, 'charge-a', 'charge-b')
    await until(() => seen.length >= 2)
    deepEqual(seen.toSorted(), ['charge-a', 'charge-b'])
  },
  async versions({
    publishOld,
    publish,
    read,
  }: typeof import('./kafka/versions.ts') | typeof import('./spanwire/versions.ts')) {
    const { seen, show } = collect<number>()
    await publishOld('ada')
    await publish('ada', 12)
    void read(show)
    await until(() => seen.length >= 2)
    deepEqual(seen, [Date.UTC(2026, 10, 27, 20), 12])
  },
  async lag({ open }: typeof import('./kafka/lag.ts') | typeof import('./spanwire/lag.ts'), side: Side) {
    const { seen, show } = collect<string>()
    const { pause, resume, lag } = await open((orderId) => orderId.startsWith('lag') && show(orderId))
    await until(async () => (await lag()) === 0)
    await pause()
    await create(side, 'lag-a', 'lag-b')
    await until(async () => (await lag()) === 2)
    deepEqual(seen, [])
    await resume()
    await until(() => seen.length === 2)
    await until(async () => (await lag()) === 0)
  },
})
await runPieces(['spanwire'], {
  async totals({ openTotals }: typeof import('./spanwire/totals.ts')) {
    await create('spanwire', 'totals', 'totals')
    const totals = await openTotals()
    equal(totals.get('totals'), 1 + 2)
    await create('spanwire', 'totals')
    await until(() => totals.get('totals') === 1 + 2 + 1)
  },
})
process.exit()
