import { expect, it } from 'vitest'
import { FairQueue } from '../../../../bridge/budget/fair-queue.ts'

/** Tasks that the test ends. */
function tasks(queue: FairQueue) {
  const begun: string[] = []
  const ends = new Map<string, () => void>()
  return {
    begun,
    add(name: string, signal?: AbortSignal) {
      const end = Promise.withResolvers<void>()
      ends.set(name, end.resolve)
      const task = () => {
        begun.push(name)
        return end.promise
      }
      return queue.run(name[0] as string, task, signal)
    },
    async end(name: string) {
      ends.get(name)?.()
      await new Promise((resolve) => setTimeout(resolve))
    },
  }
}

const turn = () => new Promise((resolve) => setTimeout(resolve))

it('a user with many tasks has some of them run, and others go in between', async () => {
  const { add, end, begun } = tasks(new FairQueue({ user: 2, hub: 3 }))
  for (const name of ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1']) void add(name)
  await turn()
  expect(begun).toEqual(['a1', 'a2', 'b1'])
  await end('a1')
  await end('a2')
  await end('b1')
  await end('c1')
  await end('b2')
  expect(begun.slice(3).sort()).toEqual(['a3', 'a4', 'b2', 'c1'])
  // Not all of one user first.
  expect(begun.indexOf('c1')).toBeLessThan(begun.indexOf('a4'))
})

it('a task that fails makes room for the next', async () => {
  const queue = new FairQueue({ user: 1, hub: 1 })
  const failed = queue.run('a', () => Promise.reject(new Error('no')))
  const next = queue.run('a', async () => 'done')
  await expect(failed).rejects.toThrow('no')
  expect(await next).toBe('done')
  expect(queue.running).toBe(0)
})

it('an aborted task never begins', async () => {
  const { add, end, begun } = tasks(new FairQueue({ user: 1, hub: 1 }))
  void add('a1')
  const ending = new AbortController()
  const late = add('a2', ending.signal)
  await turn()
  ending.abort(new Error('over'))
  await expect(late).rejects.toThrow('over')
  await end('a1')
  expect(begun).toEqual(['a1'])
})
