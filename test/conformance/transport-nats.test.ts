import { spawn } from 'node:child_process'
import { expect, it } from 'vitest'
import { freePort } from '../../demo/setup/free-port.ts'
import { nats } from '../../sdk/transport/nats/index.ts'
import { SpanwireError } from '../../sdk/wire/errors.ts'
import { root } from '../build/source-files.ts'
import { eventually } from '../support/eventually.ts'
import { startNatsServer } from '../support/nats-server.ts'

const withToken = { config: 'authorization { token: "right" }' }

it('closes with a reason when a static token is rejected', async () => {
  await using server = await startNatsServer(withToken)
  const transport = nats({ url: server.url, token: 'wrong' })
  const published = transport.publish('a', new Uint8Array())
  await expect(published).rejects.toMatchObject({ code: 'authentication-failed' })
  expect(transport.status).toMatchObject({ state: 'closed', reason: { code: 'authentication-failed' } })
})

it('calls a token function again, and closes after three rejected tokens', async () => {
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
  const refused = nats({ url: server.url, token: answer(['wrong', 'wrong', 'wrong']) })
  await eventually(() => refused.status.state === 'closed', { what: 'the end' })
  expect(given).toHaveLength(3)
  expect(refused.status.reason).toMatchObject({ code: 'authentication-failed' })
})

it('calls a token function again after an error, except for authentication-failed', async () => {
  await using server = await startNatsServer(withToken)
  let calls = 0
  const failsOnce = () => {
    if (++calls === 1) throw new Error('The application is starting.')
    return 'right'
  }
  await using transport = disposable(nats({ url: server.url, token: failsOnce }))
  await transport.publish('a', new Uint8Array())
  expect(calls).toBe(2)

  const signedOut = () => {
    throw new SpanwireError('authentication-failed', 'Signed out.')
  }
  const closed = nats({ url: server.url, token: signedOut })
  await eventually(() => closed.status.state === 'closed', { what: 'the end' })
  expect(closed.status.reason).toMatchObject({ message: 'Signed out.' })
})

it('calls a token function again if it is pending after connectTimeout', async () => {
  await using server = await startNatsServer(withToken)
  let calls = 0
  const token = () => (++calls === 1 ? new Promise<never>(() => {}) : 'right')
  await using transport = disposable(nats({ url: server.url, token, connectTimeout: 500 }))
  await transport.publish('a', new Uint8Array())
  expect(calls).toBe(2)
})

it('rejects an invalid URL, and one with another protocol', () => {
  for (const url of ['', 'x', '127.0.0.1:4222', 'ws://127.0.0.1:4222'])
    expect(() => nats({ url }), url).toThrow(expect.objectContaining({ code: 'invalid-argument' }))
})

it('reports why it waits for a server, and opens when the server starts', async () => {
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

it('keeps no process alive after close while it waits for a server', async () => {
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
