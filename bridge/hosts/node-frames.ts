/** Frames as Node's sockets take them: Buffers, as a socket makes one of anything else, cut from blocks that are cheap. */
import { createSlab } from '../delivery/slab.ts'
import { allocateMessage } from './websocket-frame.ts'

/** What is used of a socket. */
interface Writable {
  /** Bytes that are not on their way yet. */
  readonly writableLength: number
  write(bytes: Uint8Array): unknown
}

/** A client that has stopped reading may keep one of them, for one frame: small, then. */
const BLOCK = 16_384
const allocateRoom = createSlab(Buffer.allocUnsafeSlow, BLOCK)

/** Room for a WebSocket message of `length` bytes behind its head. */
export function allocateBuffer(length: number): Buffer {
  return allocateMessage(length, allocateRoom)
}

let original: Uint8Array | undefined
let copy = Buffer.alloc(0)

/** Writes a frame that others may be sent, too. A socket that is behind gets it in memory of its own size: it would keep the block. */
export function writeFrame(socket: Writable, frame: Uint8Array): void {
  const isBehind = socket.writableLength > 0 && frame.length < frame.buffer.byteLength
  socket.write(isBehind ? copyOf(frame) : frame)
}

/** Shared as the original is: all who get that get it one after the other. */
function copyOf(frame: Uint8Array): Buffer {
  if (original !== frame) {
    original = frame
    copy = Buffer.allocUnsafeSlow(frame.length)
    copy.set(frame)
  }
  return copy
}
