import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

/** Collects garbage. Buffers may take a second round. */
export async function collectGarbage(): Promise<void> {
  for (let i = 0; i < 3; i++) {
    // A WeakRef keeps a dereferenced target alive until the end of the job.
    await new Promise((resolve) => setImmediate(resolve))
    collect()
  }
}
