import { randomBytes } from 'node:crypto'
import { connect, type Socket } from 'node:net'

/**
 * A WebSocket client with minimal costs, because only the server is measured. It passes on received chunks without the
 * headers of frames. Source: RFC 6455.
 */
export function openRawSocket(url: string, data: (chunk: Buffer) => void): Promise<Socket> {
  const { hostname, port, pathname, search, host } = new URL(url)
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname)
    socket.setNoDelay(true)
    let head = ''
    const readHead = (chunk: Buffer) => {
      head += chunk.toString('latin1')
      const end = head.indexOf('\r\n\r\n')
      if (end < 0) return
      if (!head.startsWith('HTTP/1.1 101')) return reject(new Error(`${url} answered ${head.slice(0, 200)}`))
      socket.off('data', readHead)
      const strip = createStripper()
      socket.on('data', (chunk: Buffer) => data(strip(chunk)))
      const rest = head.slice(end + 4)
      resolve(socket)
      if (rest !== '') data(strip(Buffer.from(rest, 'latin1')))
    }
    socket.on('data', readHead)
    socket.once('error', reject)
    socket.write(
      `GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\nSec-WebSocket-Version: 13\r\n\r\n`,
    )
  })
}

/** Removes headers of frames and complete control frames from received bytes, in place. */
function createStripper(): (chunk: Buffer) => Buffer {
  let held: Buffer = Buffer.alloc(0)
  /** Number of missing payload bytes of the current frame. */
  let left = 0
  let isControl = false
  return (chunk) => {
    const bytes = held.length > 0 ? Buffer.concat([held, chunk]) : chunk
    held = Buffer.alloc(0)
    let at = 0
    let kept = 0
    while (at < bytes.length) {
      if (left === 0) {
        const short = (bytes[at + 1] ?? 0) & 127
        const head = short === 126 ? 4 : short === 127 ? 10 : 2
        if (at + head > bytes.length) {
          held = Buffer.from(bytes.subarray(at))
          break
        }
        isControl = ((bytes[at] as number) & 8) !== 0
        left = head === 2 ? short : head === 4 ? bytes.readUInt16BE(at + 2) : Number(bytes.readBigUInt64BE(at + 2))
        at += head
      }
      const end = Math.min(at + left, bytes.length)
      if (!isControl) {
        if (at > kept) bytes.copyWithin(kept, at, end)
        kept += end - at
      }
      left -= end - at
      at = end
    }
    return bytes.subarray(0, kept)
  }
}

/** Encodes a client frame. A mask of zero is valid. */
export function encodeFrame(text: string | Buffer, binary = false): Buffer {
  const payload = Buffer.from(text as string)
  const size = payload.length
  const head = Buffer.alloc(size < 126 ? 6 : size < 65_536 ? 8 : 14)
  head[0] = binary ? 0x82 : 0x81
  if (size < 126) head[1] = 0x80 | size
  else if (size < 65_536) {
    head[1] = 0x80 | 126
    head.writeUInt16BE(size, 2)
  } else {
    head[1] = 0x80 | 127
    head.writeBigUInt64BE(BigInt(size), 2)
  }
  return Buffer.concat([head, payload])
}
