import { request as requestHttp } from 'node:http'
import { request as requestHttps } from 'node:https'
import { connect as connectTcp, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

/** An answer, or the beginning of one. */
export interface Answer {
  readonly status: number
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
  /** At most 64 KiB of it. */
  readonly body: string
  /** How long it took, in ms. */
  readonly ms: number
}

export interface ProbeOptions {
  readonly headers?: Readonly<Record<string, string>>
  /** How long to wait, in ms. */
  readonly timeout: number
  /** Stops reading once the body matches: for answers without an end. */
  readonly until?: RegExp
}

const MAX_BODY = 65_536

/** The request failed. `code` is the runtime's error code, such as `ECONNREFUSED`. */
export class NoAnswer extends Error {
  readonly code: string

  constructor(code: string, message: string) {
    super(message)
    this.code = code
  }
}

/**
 * Sends a GET on a connection of its own. Browsers' rules don't apply: any header can be sent.
 * @throws NoAnswer (as rejection)
 */
export function probe(url: URL, { headers, timeout, until }: ProbeOptions): Promise<Answer> {
  const startedAt = performance.now()
  const send = url.protocol === 'https:' ? requestHttps : requestHttp
  return new Promise((resolve, reject) => {
    const outgoing = send(url, { headers: { ...headers }, agent: false })
    let answer: Omit<Answer, 'ms' | 'body'> | undefined
    let body = ''
    const end = () => {
      clearTimeout(late)
      outgoing.destroy()
      if (answer) resolve({ ...answer, body, ms: Math.round(performance.now() - startedAt) })
      else reject(new NoAnswer('ETIMEDOUT', `no answer within ${timeout} ms`))
    }
    const late = setTimeout(end, timeout)
    outgoing.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(late)
      if (answer) end()
      else reject(new NoAnswer(error.code ?? 'ERR', error.message))
    })
    outgoing.on('response', (incoming) => {
      const fields = Object.entries(incoming.headers).map(([name, value]) => [name, [value].flat().join(', ')])
      answer = { status: incoming.statusCode ?? 0, headers: Object.fromEntries(fields) }
      incoming.on('data', (chunk) => {
        body = (body + chunk).slice(0, MAX_BODY)
        if (until?.test(body)) end()
      })
      incoming.on('end', end)
      incoming.on('error', end)
    })
    outgoing.end()
  })
}

/**
 * Requests an upgrade to WebSocket and reads the head of the answer. Written by hand: WebSocket clients do not expose
 * the answer of a refusal.
 * @throws NoAnswer (as rejection)
 */
export function probeUpgrade(url: URL, { headers, timeout }: ProbeOptions): Promise<Answer> {
  const startedAt = performance.now()
  const isSecure = url.protocol === 'https:'
  const host = url.hostname.replace(/^\[|\]$/g, '')
  const port = Number(url.port || (isSecure ? 443 : 80))
  const lines = {
    Host: url.host,
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': Buffer.from(crypto.getRandomValues(new Uint8Array(16))).toString('base64'),
    ...headers,
  }
  const head = `GET ${url.pathname}${url.search} HTTP/1.1\r\n${Object.entries(lines)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')}\r\n`
  return new Promise((resolve, reject) => {
    const socket: Socket = isSecure
      ? connectTls({ host, port, servername: host }, () => void socket.write(head))
      : connectTcp({ host, port }, () => void socket.write(head))
    let text = ''
    const end = () => {
      clearTimeout(late)
      socket.destroy()
      const answer = parseHead(text, Math.round(performance.now() - startedAt))
      if (answer) resolve(answer)
      else reject(new NoAnswer('ETIMEDOUT', `no answer within ${timeout} ms`))
    }
    const late = setTimeout(end, timeout)
    socket.on('error', (error: NodeJS.ErrnoException) => {
      clearTimeout(late)
      reject(new NoAnswer(error.code ?? 'ERR', error.message))
    })
    socket.on('data', (chunk) => {
      text = (text + chunk.toString('latin1')).slice(0, MAX_BODY)
      const [status, length, body] = [/^HTTP\/1\.\d (\d+)/.exec(text)?.[1], lengthOf(text), bodyOf(text)]
      if (body !== undefined && (status === '101' || (length !== undefined && body.length >= length))) end()
    })
    socket.on('end', end)
  })
}

function bodyOf(text: string): string | undefined {
  const at = text.indexOf('\r\n\r\n')
  return at < 0 ? undefined : text.slice(at + 4)
}

function lengthOf(text: string): number | undefined {
  const found = /^content-length: *(\d+)/im.exec(text)?.[1]
  return found === undefined ? undefined : Number(found)
}

function parseHead(text: string, ms: number): Answer | undefined {
  const status = /^HTTP\/1\.\d (\d+)/.exec(text)?.[1]
  if (status === undefined) return undefined
  const head = text.slice(0, text.indexOf('\r\n\r\n'))
  const headers = Object.fromEntries(
    head
      .split('\r\n')
      .slice(1)
      .map((line) => [line.slice(0, line.indexOf(':')).toLowerCase(), line.slice(line.indexOf(':') + 1).trim()]),
  )
  return { status: Number(status), headers, body: bodyOf(text) ?? '', ms }
}

/** The `code` and `detail` of a bridge's own error (RFC 9457); undefined if it is another's. */
export function problemOf({ body, headers }: Answer): { readonly code: string; readonly detail: string } | undefined {
  if (!headers['content-type']?.includes('problem+json')) return undefined
  try {
    // A chunked body of a raw answer has lengths around it.
    return JSON.parse(/\{.*\}/s.exec(body)?.[0] ?? '')
  } catch {
    return undefined
  }
}
