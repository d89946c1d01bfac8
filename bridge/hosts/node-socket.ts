import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { WebSocket } from 'ws'
import type { Allocate, ClientSocket } from '../delivery/client-socket.ts'
import { createSlab } from '../delivery/slab.ts'

/** In bytes. Small, because a client that has stopped reading may keep a whole block alive for one frame. */
const BLOCK = 16_384
/** Time for a paused client to answer a close frame, in ms. */
const CLOSE_TIMEOUT = 500

const allocateBlock = createSlab(Buffer.allocUnsafeSlow, BLOCK)

/** A client's WebSocket on Node. It writes its own frames: `ws` would encode each one again for each client. */
export class NodeSocket implements ClientSocket {
  readonly #ws: WebSocket
  readonly #socket: Duplex
  readonly allocate: Allocate = allocateBuffer

  constructor(ws: WebSocket, socket: Duplex) {
    this.#ws = ws
    this.#socket = socket
  }

  /** Node writes IPv4 addresses as IPv6 on a socket for both. */
  get address(): string | undefined {
    return (this.#socket as Partial<Socket>).remoteAddress?.replace(/^::ffff:(?=\d+\.)/, '')
  }

  get unsent(): number {
    return this.#socket.writableLength
  }

  send(bytes: Uint8Array): void {
    if (this.#ws.readyState === this.#ws.OPEN) writeFrame(this.#socket, bytes)
  }

  close(code: number, reason: string): void {
    this.#ws.close(code, reason)
    // The client's answer is behind unread bytes.
    if (this.#ws.isPaused) setTimeout(() => this.#ws.terminate(), CLOSE_TIMEOUT)
  }

  pause(): void {
    this.#ws.pause()
  }

  resume(): void {
    this.#ws.resume()
  }
}

/** Allocates a Buffer, which sockets write without a copy, with a frame header for `length` bytes. */
export function allocateBuffer(length: number): Buffer {
  return allocateMessage(length, allocateBlock)
}

/**
 * Allocates a binary message of `length` bytes behind its frame header. A server's frames have no mask, so they are the
 * same for all clients. Source: RFC 6455, section 5.2.
 * @param allocate allocates a buffer of that length
 */
export function allocateMessage<Bytes extends Uint8Array>(length: number, allocate: (length: number) => Bytes): Bytes {
  const head = length < 126 ? 2 : length < 65_536 ? 4 : 10
  const frame = allocate(head + length)
  frame[0] = 0x82
  frame[1] = head === 2 ? length : head === 4 ? 126 : 127
  // The extended length has 2 or 8 bytes, from the lowest one here.
  for (let at = head - 1, rest = length; at > 1; at--) {
    frame[at] = rest
    rest = Math.floor(rest / 256)
  }
  return frame
}

/** The parts of a socket that {@link writeFrame} uses. */
interface Writable {
  /** Bytes that wait in the socket. */
  readonly writableLength: number
  write(bytes: Uint8Array): unknown
}

let original: Uint8Array | undefined
let copy = Buffer.alloc(0)

/** Writes a shared frame. A socket that is behind gets a copy: the frame would keep its block alive. */
export function writeFrame(socket: Writable, frame: Uint8Array): void {
  const isBehind = socket.writableLength > 0 && frame.length < frame.buffer.byteLength
  socket.write(isBehind ? copyOf(frame) : frame)
}

/** All sockets that get one frame get it one after the other, so they share the last copy. */
function copyOf(frame: Uint8Array): Buffer {
  if (original !== frame) {
    original = frame
    copy = Buffer.allocUnsafeSlow(frame.length)
    copy.set(frame)
  }
  return copy
}
