import { afterEach, expect, it, vi } from 'vitest'
import { localStorageCursors } from '../../../../sdk/index.ts'

afterEach(() => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

it('stores cursors under a prefix', () => {
  const values = new Map<string, string>()
  vi.stubGlobal('localStorage', {
    getItem: (key: string) => values.get(key) ?? null,
    setItem: (key: string, value: string) => values.set(key, value),
  })
  const cursors = localStorageCursors('app:')
  expect(cursors.get('a')).toBeUndefined()
  cursors.set('a', '7@x@S')
  expect([cursors.get('a'), [...values.keys()]]).toEqual(['7@x@S', ['app:a']])
})

it('warns once, and returns no cursor, where the browser denies localStorage', () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {})
  // As in a sandboxed frame, or with cookies blocked: the access itself throws.
  Object.defineProperty(globalThis, 'localStorage', {
    configurable: true,
    get() {
      throw new DOMException('Access is denied for this document.', 'SecurityError')
    },
  })
  const cursors = localStorageCursors()
  expect(cursors.get('a')).toBeUndefined()
  cursors.set('a', '7@x@S')
  expect(warn).toHaveBeenCalledTimes(1)
  Reflect.deleteProperty(globalThis, 'localStorage')
})
