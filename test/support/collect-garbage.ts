import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Collects what nobody holds any more; buffers may take a second round. */
export async function collectGarbage(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    // What a WeakRef was asked for is held until the end of the job.
    await new Promise((resolve) => setImmediate(resolve))
    collect()
  }
}
