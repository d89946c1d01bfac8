import { describe, expect, it } from 'vitest'
import { readSettings, type WorkerEnv } from '../../../worker/env.ts'

const HUB: WorkerEnv['HUB'] = {
  getByName: () => {
    throw new Error('not used')
  },
}
const AUTH_SECRET = 'a secret of at least thirty-two bytes'

describe('the variables of the Worker', () => {
  it('need no more than a secret', () => {
    expect(readSettings({ HUB, AUTH_SECRET })).toEqual({
      auth: { secret: AUTH_SECRET },
      upstream: 'embedded',
      origins: [],
      plan: [{ hubs: 1 }],
      clientsPerHub: 1_000,
    })
  })

  it('name origins by spaces or commas, or all', () => {
    const origins = (ORIGINS: string) => readSettings({ HUB, AUTH_SECRET, ORIGINS }).origins
    expect(origins('https://a.example, https://b.example')).toEqual(['https://a.example', 'https://b.example'])
    expect(origins('*')).toBe('*')
  })

  it.each<[string, Partial<WorkerEnv>, RegExp]>([
    ['no secret', {}, /AUTH_SECRET is not set: run "wrangler secret put/],
    ['a short secret', { AUTH_SECRET: 'hunter2' }, /AUTH_SECRET is shorter than 32 bytes/],
    ['an upstream of another scheme', { AUTH_SECRET, UPSTREAM_URL: 'http://nats.example' }, /UPSTREAM_URL/],
    ['more hubs than the embedded upstream can serve', { AUTH_SECRET, HUBS: '2' }, /HUBS is more than 1/],
    ['a malformed number of clients', { AUTH_SECRET, CLIENTS_PER_HUB: '-1' }, /CLIENTS_PER_HUB can't be "-1": give/],
    [
      'an origin with a path',
      { AUTH_SECRET, ORIGINS: 'https://a.example/' },
      /ORIGINS holds .* write https:\/\/a\.example\./,
    ],
    ['a malformed number of hubs', { AUTH_SECRET, HUBS: 'many' }, /HUBS can't be "many"/],
  ])('refuse %s, and say what to do', (_, env, message) => {
    expect(() => readSettings({ HUB, ...env })).toThrow(message)
  })

  it('need no secret where the host says how tokens are checked', () => {
    const anonymous = { publish: { allow: [], deny: [] }, subscribe: { allow: ['news.>'], deny: [] } }
    expect(readSettings({ HUB }, { anonymous }).auth).toEqual({ anonymous })
    expect(() => readSettings({ HUB }, { issuer: 'me' })).toThrow(/AUTH_SECRET is not set/)
  })

  it('never show a secret', () => {
    expect(() => readSettings({ HUB, AUTH_SECRET: 'hunter2' })).toThrow(/^(?!.*hunter2)/)
    const UPSTREAM_URL = 'natz://user:hunter2@nats.example'
    expect(() => readSettings({ HUB, AUTH_SECRET, UPSTREAM_URL })).toThrow(/^(?!.*hunter2)/)
  })

  it('refuse a Worker without its binding', () => {
    expect(() => readSettings({ AUTH_SECRET } as WorkerEnv)).toThrow(/binding HUB is missing/)
  })
})
