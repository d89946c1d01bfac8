import { expect, it } from 'vitest'
import { fromFrameHeaders, toFrameHeaders } from '../../../../../bridge/relay/activemq/reserved-headers.ts'

const own = [
  ['destination', '/queue/flights'],
  ['correlation-id', 'flight-1'],
] as const

it('restores headers with names of STOMP and of the frame', () => {
  const headers = [
    ['origin', 'ATL'],
    ['Destination', 'BOS'],
    ['message-id', 'mine'],
    ['correlation-id', 'other'],
  ] as const
  const sent = toFrameHeaders(headers, own)
  expect(sent).toEqual([
    ['origin', 'ATL'],
    ['spanwire-header-Destination', 'BOS'],
    ['spanwire-header-message-id', 'mine'],
    ['spanwire-header-correlation-id', 'other'],
  ])
  const received = fromFrameHeaders([...own, ...sent, ['message-id', 'ID:broker-1']])
  expect(received).toEqual([
    ['Destination', 'BOS'],
    ['message-id', 'mine'],
    ['correlation-id', 'other'],
    ['origin', 'ATL'],
  ])
})

it('returns headers of other clients unchanged', () => {
  expect(fromFrameHeaders(own)).toBe(own)
})
