import { describe, expect, it } from 'vitest'
import { readSettings, type WorkerEnv } from '../../../worker/env.ts'

const HUB: WorkerEnv['HUB'] = {
  getByName: () => {
    throw new Error('not used')
  },
}
const AUTH_SECRET = 'a secret of at least thirty-two bytes'

describe('readSettings', () => {
  it('requires only a secret', () => {
    expect(readSettings({ HUB, AUTH_SECRET })).toEqual({
      auth: { secret: AUTH_SECRET },
      upstream: 'embedded',
      origins: [],
      plan: [{ hubs: 1 }],
      clientsPerHub: 1_000,
    })
  })

  it('reads origins separated by spaces or commas, or *', () => {
    const origins = (ORIGINS: string) => readSettings({ HUB, AUTH_SECRET, ORIGINS }).origins
    expect(origins('https://a.example, https://b.example')).toEqual(['https://a.example', 'https://b.example'])
    expect(origins('*')).toBe('*')
  })

  it.each<[string, Partial<WorkerEnv>, RegExp]>([
    ['no secret', {}, /AUTH_SECRET is not set\. Run "wrangler secret put/],
    ['a short secret', { AUTH_SECRET: 'hunter2' }, /AUTH_SECRET is shorter than 32 bytes/],
    ['an upstream of another scheme', { AUTH_SECRET, UPSTREAM_URL: 'http://nats.example' }, /UPSTREAM_URL/],
    ['several hubs with the embedded broker', { AUTH_SECRET, HUBS: '2' }, /HUBS is more than 1/],
    ['a malformed number of clients', { AUTH_SECRET, CLIENTS_PER_HUB: '-1' }, /CLIENTS_PER_HUB is "-1"\. Use/],
    [
      'an origin with a path',
      { AUTH_SECRET, ORIGINS: 'https://a.example/' },
      /ORIGINS contains .* Use https:\/\/a\.example\./,
    ],
    ['a malformed number of hubs', { AUTH_SECRET, HUBS: 'many' }, /HUBS is "many"/],
  ])('rejects %s with a message that helps', (_, env, message) => {
    expect(() => readSettings({ HUB, ...env })).toThrow(message)
  })

  it('requires no secret if the options have a key', () => {
    const anonymous = { publish: { allow: [], deny: [] }, subscribe: { allow: ['news.>'], deny: [] } }
    expect(readSettings({ HUB }, { anonymous }).auth).toEqual({ anonymous })
    expect(() => readSettings({ HUB }, { issuer: 'me' })).toThrow(/AUTH_SECRET is not set/)
  })

  it('shows no secret in an error', () => {
    expect(() => readSettings({ HUB, AUTH_SECRET: 'hunter2' })).toThrow(/^(?!.*hunter2)/)
    const UPSTREAM_URL = 'natz://user:hunter2@nats.example'
    expect(() => readSettings({ HUB, AUTH_SECRET, UPSTREAM_URL })).toThrow(/^(?!.*hunter2)/)
  })

  it('rejects a Worker without the binding HUB', () => {
    expect(() => readSettings({ AUTH_SECRET } as WorkerEnv)).toThrow(/binding HUB is missing/)
  })
})
