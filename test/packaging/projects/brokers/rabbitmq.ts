// The steps of sdk/migrate/RABBITMQ.md.
import { deepEqual, equal, ok } from 'node:assert/strict'
import process from 'node:process'
import { collect, runPieces, until } from './steps.ts'

await runPieces(['rabbitmq', 'spanwire'], {
  async hello({ send, receive }: typeof import('./spanwire/hello.ts') | typeof import('./rabbitmq/hello.ts')) {
    const { seen, show } = collect<string>()
    await send('hello')
    await receive(show)
    await until(() => seen.length === 1)
    deepEqual(seen, ['hello'])
  },
  async work({ assign, work }: typeof import('./spanwire/work.ts') | typeof import('./rabbitmq/work.ts')) {
    const { seen, show } = collect<string>()
    let failures = 0
    for (let n = 0; n < 4; n++) await assign(`work-${n}`, `work-${n}`)
    await work(async (text) => {
      if (text === 'work-0' && failures++ === 0) throw new Error('the first attempt fails')
      show(text)
    })
    await until(() => seen.length === 4)
    deepEqual(seen.toSorted(), ['work-0', 'work-1', 'work-2', 'work-3'])
    equal(failures, 2)
  },
  async fanout({ emit, listen }: typeof import('./spanwire/fanout.ts') | typeof import('./rabbitmq/fanout.ts')) {
    const [one, two] = [collect<string>(), collect<string>()]
    await emit('too early')
    await listen(one.show)
    await listen(two.show)
    await emit('to all')
    await until(() => one.seen.length > 0 && two.seen.length > 0)
    deepEqual([one.seen, two.seen], [['to all'], ['to all']])
  },
  async routing({ emit, listen }: typeof import('./spanwire/routing.ts') | typeof import('./rabbitmq/routing.ts')) {
    const { seen, show } = collect<string>()
    await listen(['warning', 'error'], show)
    for (const severity of ['info', 'warning', 'error']) await emit(severity, `a line of ${severity}`)
    await until(() => seen.length >= 2)
    deepEqual(seen.toSorted(), ['a line of error', 'a line of warning'])
  },
  async topics({ emit, listen }: typeof import('./spanwire/topics.ts') | typeof import('./rabbitmq/topics.ts')) {
    const { seen, show } = collect<string>()
    await listen('*', 'critical', (key, line) => show(`${key} ${line}`))
    for (const key of ['kern.critical', 'kern.info', 'mail.critical']) {
      const [facility = '', severity = ''] = key.split('.')
      await emit(facility, severity, 'failed')
    }
    await until(() => seen.length >= 2)
    deepEqual(seen, ['kern.critical failed', 'mail.critical failed'])
  },
  async rpc({ answer, call }: typeof import('./spanwire/rpc.ts') | typeof import('./rabbitmq/rpc.ts')) {
    await answer()
    deepEqual(await Promise.all([call(3), call(12)]), [9, 144])
  },
  async confirms({ publish }: typeof import('./spanwire/confirms.ts') | typeof import('./rabbitmq/confirms.ts')) {
    equal(await publish(['a', 'b', 'c']), 3)
  },
  async 'dead-letters'({
    send,
    work,
    readDead,
  }: typeof import('./spanwire/dead-letters.ts') | typeof import('./rabbitmq/dead-letters.ts')) {
    const { seen, show } = collect<string>()
    let attempts = 0
    await work(() => {
      attempts++
      throw new Error('no attempt succeeds')
    })
    await readDead(show)
    await send('poison')
    await until(() => seen.length > 0)
    deepEqual([seen, attempts], [['poison'], 3])
  },
  async delays({
    remind,
    expire,
    receive,
  }: typeof import('./spanwire/delays.ts') | typeof import('./rabbitmq/delays.ts')) {
    const { seen, show } = collect<string>()
    await expire('expired', 1_000)
    // Longer than its time to live.
    await new Promise((resolve) => setTimeout(resolve, 1_500))
    await receive(show)
    const start = Date.now()
    await remind('later', 1_000)
    await expire('in time', 60_000)
    await until(() => seen.length >= 2)
    deepEqual(seen.toSorted(), ['in time', 'later'])
    ok(Date.now() - start >= 900)
  },
  async streams({ append, replay }: typeof import('./spanwire/streams.ts') | typeof import('./rabbitmq/streams.ts')) {
    const lists = [collect<string>(), collect<string>()]
    for (const text of ['first', 'second']) await append(text)
    for (const { show } of lists) await replay(show)
    await append('third')
    for (const { seen } of lists) {
      await until(() => seen.length >= 3)
      deepEqual(seen, ['first', 'second', 'third'])
    }
  },
})
await runPieces(['spanwire'], {
  async priorities({ assign, work }: typeof import('./spanwire/priorities.ts')) {
    const { seen, show } = collect<string>()
    for (let n = 0; n < 3; n++) await assign('rest', String(n), 'rest')
    work((text) => {
      show(text)
      return text === 'rest' ? new Promise(() => {}) : Promise.resolve()
    })
    await until(() => seen.length === 2)
    await assign('urgent', 'u', 'urgent')
    await until(() => seen.length === 3)
    deepEqual(seen.toSorted(), ['rest', 'rest', 'urgent'])
  },
})
process.exit()
