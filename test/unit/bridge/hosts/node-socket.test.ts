import { Writable } from 'node:stream'
import { expect, it } from 'vitest'
import { allocateBuffer, Backlog, writeFrame } from '../../../../bridge/hosts/node-socket.ts'

/** A socket that buffers all writes after the first. */
function stuckSocket(): { readonly socket: Writable; readonly waiting: () => Uint8Array[] } {
  const socket = new Writable({ write() {} })
  // The list of Node's streams. A getter, for tests.
  const waiting = () => (socket as unknown as { writableBuffer: Array<{ chunk: Uint8Array }> }).writableBuffer
  return { socket, waiting: () => waiting().map(({ chunk }) => chunk) }
}

/** A socket that sends immediately. */
function readySocket(): { readonly socket: Writable; readonly sent: Uint8Array[] } {
  const sent: Uint8Array[] = []
  const socket = new Writable({
    write(chunk, _, done) {
      sent.push(chunk)
      done()
    },
  })
  return { socket, sent }
}

it('writes small frames of a shared block without a copy to a client that reads', () => {
  const { socket, sent } = readySocket()
  const frames = [allocateBuffer(100), allocateBuffer(100)]
  for (const frame of frames) writeFrame(socket, frame)
  expect(sent[0]).toBe(frames[0])
  expect(sent[1]).toBe(frames[1])
  expect(frames[0]?.buffer).toBe(frames[1]?.buffer)
})

it('copies frames for a client that is behind, so that it does not keep blocks', () => {
  const { socket, waiting } = stuckSocket()
  for (let i = 0; i < 100; i++) writeFrame(socket, allocateBuffer(100).fill(i, 2))
  expect(waiting()).toHaveLength(99)
  for (const [i, frame] of waiting().entries()) {
    expect(frame.buffer.byteLength).toBe(102)
    expect(frame[0]).toBe(0x82)
    expect(frame.at(-1)).toBe(i + 1)
  }
})

it('shares a copy between clients that are behind, and copies no large frames', () => {
  const sockets = [stuckSocket(), stuckSocket()]
  const small = allocateBuffer(100)
  const large = allocateBuffer(10_000)
  for (const { socket } of sockets) socket.write('first')
  for (const frame of [small, large]) for (const { socket } of sockets) writeFrame(socket, frame)
  const [one, other] = sockets.map(({ waiting }) => waiting())
  expect(one?.[0]).not.toBe(small)
  expect(one?.[0]).toBe(other?.[0])
  expect(one?.[1]).toBe(large)
})

it('counts a frame that several sockets share in parts, and no frame that was sent', () => {
  const sockets = [stuckSocket(), stuckSocket()].map(({ socket }) => ({ socket, backlog: new Backlog() }))
  const held = () => sockets.map(({ socket, backlog }) => Math.round(backlog.heldBy(socket.writableLength) / 1_000))
  const frame = allocateBuffer(100_000)
  for (const { socket, backlog } of sockets) {
    socket.write('first')
    writeFrame(socket, frame, backlog)
  }
  expect(held()).toEqual([50, 50])
  const [one, two] = sockets
  if (one) writeFrame(one.socket, allocateBuffer(40_000), one.backlog)
  expect(held()).toEqual([90, 50])
  // The first socket has sent everything: the other one holds the shared frame alone.
  expect(Math.round((one?.backlog.heldBy(0) ?? 0) / 1_000)).toBe(0)
  expect(Math.round((two?.backlog.heldBy(two.socket.writableLength) ?? 0) / 1_000)).toBe(100)
})
