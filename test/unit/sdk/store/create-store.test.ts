import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { createStore } from '../../../../sdk/store/create-store.ts'
import { controlFrames, type Frames, releaseFrames } from '../react/frames.ts'

let frames: Frames
beforeEach(() => {
  frames = controlFrames()
})
afterEach(() => releaseFrames())

it('a listener that throws is reported, and other listeners are called', () => {
  const consoleError = vi.spyOn(console, 'error').mockImplementation(() => {})
  const mine = new Error('mine')
  let changed = () => {}
  const store = createStore('before', (change) => {
    changed = change
    return { read: () => 'after', stop: () => {} }
  })
  const received: string[] = []
  const ends = [
    store.subscribe(() => {
      throw mine
    }),
    store.subscribe(() => received.push(store.getSnapshot())),
  ]
  changed()
  frames.next()
  expect(received).toEqual(['after'])
  expect(consoleError.mock.calls).toEqual([['spanwire:', mine]])
  for (const end of ends) end()
  consoleError.mockRestore()
})
