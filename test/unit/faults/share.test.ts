import { afterEach, expect, it, vi } from 'vitest'
import { joinTabs } from '../../../sdk/share/share.ts'

afterEach(() => void vi.unstubAllGlobals())

it('tabs that may not use locks have a connection each', async () => {
  vi.stubGlobal('navigator', {
    locks: { request: () => Promise.reject(new DOMException('Access to the Locks API is denied', 'SecurityError')) },
  })
  const late = new Promise((resolve) => setTimeout(() => resolve('hangs'), 500))
  expect(await Promise.race([joinTabs('ws://127.0.0.1:1', undefined, { worker: 'x' }), late])).toBeUndefined()
})
