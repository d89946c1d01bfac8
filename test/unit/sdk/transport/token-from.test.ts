import { describe, expect, it } from 'vitest'
import { tokenFrom } from '../../../../sdk/transport/token-from.ts'
import { serveLocally } from '../../../support/serve-locally.ts'

/** A route of an application's server. */
const answering = (status: number, body: string) =>
  serveLocally((request, response) => {
    response.statusCode = status
    response.setHeader('Content-Type', 'application/json')
    response.end(body.replace('HEADER', String(request.headers['x-test'])))
  })

describe('tokenFrom', () => {
  it('returns the token', async () => {
    await using server = await answering(200, '{"token":"a HEADER","expiresIn":300}')
    expect(await tokenFrom(server.url)()).toBe('a undefined')
    expect(await tokenFrom(new URL(server.url), { headers: { 'X-Test': 'b' } })()).toBe('a b')
  })

  it.each([401, 403])('stops the client for good after %i', async (status) => {
    await using server = await answering(status, '{"code":"authentication-failed"}')
    await expect(tokenFrom(server.url)()).rejects.toMatchObject({
      code: 'authentication-failed',
      message: `${server.url} gives no token (${status}): sign in.`,
    })
  })

  it.each([
    [500, '{"token":"a"}', 'it answers 500'],
    [404, 'not found', 'it answers 404'],
    [200, '<!doctype html>', 'its answer must be'],
    [200, '', 'its answer must be'],
    [200, 'null', 'its answer must be'],
    [200, '"a"', 'its answer must be'],
    [200, '{"error":"unavailable"}', 'its answer must be'],
    [200, '{"token":""}', 'its answer must be'],
    [200, '{"token":7}', 'its answer must be'],
  ])('has failed for now after %i %j', async (status, body, text) => {
    await using server = await answering(status, body)
    await expect(tokenFrom(server.url)()).rejects.toMatchObject({
      code: 'connection-refused',
      message: expect.stringContaining(text),
    })
  })

  it('has failed for now while the server is away', async () => {
    const server = await answering(200, '')
    await server[Symbol.asyncDispose]()
    await expect(tokenFrom(server.url)()).rejects.toMatchObject({
      code: 'connection-refused',
      cause: expect.any(TypeError),
    })
  })
})
