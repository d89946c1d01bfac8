import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { expect, test } from 'vitest'
import { Memo } from '../../bridge/streams/memo.ts'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

test('an answer is kept no longer than it is good for', async () => {
  const memo = new Memo()
  const before = process.memoryUsage().arrayBuffers
  // As large as limits.replaySnapshot allows, for each filter.
  const ask = () => memo.get('snapshot', async () => ({ large: new Uint8Array(8 * 1024 * 1024) })).then(() => {})
  await ask()
  await new Promise((r) => setTimeout(r, 800))
  for (let i = 0; i < 5; i++) {
    collect()
    await new Promise((r) => setTimeout(r, 50))
  }
  expect((process.memoryUsage().arrayBuffers - before) / 1048576).toBeLessThan(4)
  await memo.get('other', async () => 1)
})
