import { spawn } from 'node:child_process'
import { expect, it } from 'vitest'
import { freePort } from '../../demo/setup/free-port.ts'
import { nats } from '../../sdk/transport/nats/index.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { root } from '../build/source-files.ts'
import { eventually } from '../support/eventually.ts'
import { startNatsServer } from '../support/nats-server.ts'

const withToken = { config: 'authorization { token: "right" }' }

it('a static token that is refused closes the client for good, and says why', async () => {
  await using server = await startNatsServer(withToken)
  const transport = nats({ url: server.url, token: 'wrong' })
  const published = transport.publish('a', new Uint8Array())
  await expect(published).rejects.toMatchObject({ code: 'authentication-failed' })
  expect(transport.status).toMatchObject({ state: 'closed', reason: { code: 'authentication-failed' } })
})

it('a token function is asked again, and the client closes after three refusals in a row', async () => {
  await using server = await startNatsServer(withToken)
  const given: string[] = []
  const answer = (tokens: string[]) => () => {
    const token = tokens[given.length] ?? ''
    given.push(token)
    return token
  }
  await using transport = disposable(nats({ url: server.url, token: answer(['wrong', 'wrong', 'right']) }))
  await transport.publish('a', new Uint8Array())
  expect(given).toEqual(['wrong', 'wrong', 'right'])

  given.length = 0
  const refused = nats({ url: server.url, token: answer([]) })
  await eventually(() => refused.status.state === 'closed', { what: 'the end' })
  expect(given).toHaveLength(3)
  expect(refused.status.reason).toMatchObject({ code: 'authentication-failed' })
})

it('a token function that fails is asked again; one that says authentication-failed is not', async () => {
  await using server = await startNatsServer(withToken)
  let asked = 0
  const failsOnce = () => {
    if (++asked === 1) throw new Error('The application is starting.')
    return 'right'
  }
  await using transport = disposable(nats({ url: server.url, token: failsOnce }))
  await transport.publish('a', new Uint8Array())
  expect(asked).toBe(2)

  const signedOut = () => {
    throw new SpanwireError('authentication-failed', 'Signed out.')
  }
  const closed = nats({ url: server.url, token: signedOut })
  await eventually(() => closed.status.state === 'closed', { what: 'the end' })
  expect(closed.status.reason).toMatchObject({ message: 'Signed out.' })
})

it('a token function that hangs is asked again after connectTimeout', async () => {
  await using server = await startNatsServer(withToken)
  let asked = 0
  const token = () => (++asked === 1 ? new Promise<never>(() => {}) : 'right')
  await using transport = disposable(nats({ url: server.url, token, connectTimeout: 500 }))
  await transport.publish('a', new Uint8Array())
  expect(asked).toBe(2)
})

it('a URL that is none, or of another protocol, is refused at once', () => {
  for (const url of ['', 'x', '127.0.0.1:4222', 'ws://127.0.0.1:4222'])
    expect(() => nats({ url }), url).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
})

it('a server that is not there yet: says why it waits, and is open when it comes', async () => {
  await using server = await startNatsServer()
  await server.stop()
  await using transport = disposable(nats({ url: server.url }))
  const published = transport.publish('a', new Uint8Array())
  await eventually(() => transport.status.reason, { what: 'a reason' })
  expect(transport.status).toMatchObject({ state: 'connecting', reason: { code: 'connection-refused' } })
  await server.restart()
  await published
  expect(transport.status.state).toBe('open')
})

it('closed while it waits for a server, it leaves nothing behind that keeps the process', async () => {
  const code = `
    import { nats } from './sdk/transport/nats/index.ts'
    const transport = nats({ url: 'nats://127.0.0.1:${await freePort()}' })
    while (!transport.status.reason) await new Promise((resolve) => setTimeout(resolve, 20))
    await transport.close()
    console.log('closed')`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code], { cwd: root, stdio: 'pipe' })
  let output = ''
  child.stdout.on('data', (chunk) => (output += chunk))
  child.stderr.on('data', (chunk) => (output += chunk))
  const patience = setTimeout(() => child.kill('SIGKILL'), 10_000)
  const exit = await new Promise((resolve) => child.once('exit', (code, signal) => resolve(code ?? signal)))
  clearTimeout(patience)
  expect([exit, output]).toEqual([0, 'closed\n'])
})

function disposable<T extends { close(): Promise<void> }>(transport: T): T & AsyncDisposable {
  return Object.assign(transport, { [Symbol.asyncDispose]: () => transport.close() })
}
