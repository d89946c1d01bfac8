import { describe, expect, it } from 'vitest'
import { readSettings, type WorkerEnv } from '../../../worker/env.ts'

const HUB: WorkerEnv['HUB'] = {
  getByName: () => {
    throw new Error('not used')
  },
}
const AUTH_SECRET = 'a secret of at least thirty-two bytes'
const UPSTREAM_URL = 'embedded'

describe('readSettings', () => {
  it('requires only a secret and an upstream', () => {
    expect(readSettings({ HUB, AUTH_SECRET, UPSTREAM_URL })).toEqual({
      auth: { secret: AUTH_SECRET },
      upstream: 'embedded',
      origins: [],
      plan: [{ hubs: 1 }],
      clientsPerHub: 1_000,
      log: 'info',
    })
  })

  it('reads filters of dead letters', () => {
    const MONITORING_KEY = 'a-key-to-look-at-it-of-32-characters'
    const read = (DEAD_LETTERS: string) =>
      readSettings({ HUB, AUTH_SECRET, UPSTREAM_URL: 'embedded', MONITORING_KEY, DEAD_LETTERS }).monitoring?.deadLetters
    expect(read('dead.>, failed.*')).toEqual(['dead.>', 'failed.*'])
    expect(() => read('dead..a')).toThrow('DEAD_LETTERS contains "dead..a", which is not a valid subject filter.')
  })

  it('reads the level of the log, and whether the inspector may read messages', () => {
    const MONITORING_KEY = 'a-key-to-look-at-it-of-32-characters'
    expect(readSettings({ HUB, AUTH_SECRET, UPSTREAM_URL: 'embedded', MONITORING_KEY, LOG: 'off' })).toMatchObject({
      log: 'off',
      monitoring: { key: MONITORING_KEY, tail: false, deadLetters: [] },
    })
    expect(
      readSettings({ HUB, AUTH_SECRET, UPSTREAM_URL: 'embedded', MONITORING_KEY, INSPECTOR: 'on' }).monitoring?.tail,
    ).toBe(true)
  })

  it('reads origins separated by spaces or commas, or *', () => {
    const origins = (ORIGINS: string) => readSettings({ HUB, AUTH_SECRET, UPSTREAM_URL, ORIGINS }).origins
    expect(origins('https://a.example, https://b.example')).toEqual(['https://a.example', 'https://b.example'])
    expect(origins('*')).toBe('*')
  })

  it.each<[string, Partial<WorkerEnv>, RegExp]>([
    ['an empty upstream', { AUTH_SECRET, UPSTREAM_URL: '' }, /UPSTREAM_URL is not set/],
    ['no secret', {}, /AUTH_SECRET is not set\. Run "wrangler secret put/],
    ['a short secret', { AUTH_SECRET: 'hunter2' }, /AUTH_SECRET is shorter than 32 bytes/],
    ['an upstream of another scheme', { AUTH_SECRET, UPSTREAM_URL: 'http://nats.example' }, /UPSTREAM_URL/],
    ['several hubs with the embedded broker', { AUTH_SECRET, HUBS: '2' }, /HUBS is more than 1/],
    ['an unknown level', { AUTH_SECRET, LOG: 'verbose' }, /LOG is "verbose"\. Use info or debug or/],
    ['a malformed number of clients', { AUTH_SECRET, CLIENTS_PER_HUB: '-1' }, /CLIENTS_PER_HUB is "-1"\. Use/],
    [
      'an origin with a path',
      { AUTH_SECRET, ORIGINS: 'https://a.example/' },
      /ORIGINS contains .* Use https:\/\/a\.example\./,
    ],
    ['a malformed number of hubs', { AUTH_SECRET, HUBS: 'many' }, /HUBS is "many"/],
  ])('rejects %s with a message that helps', (_, env, message) => {
    expect(() => readSettings({ HUB, UPSTREAM_URL, ...env })).toThrow(message)
  })

  it('requires no secret if the options have a key', () => {
    const anonymous = { publish: { allow: [], deny: [] }, subscribe: { allow: ['news.>'], deny: [] } }
    expect(readSettings({ HUB, UPSTREAM_URL }, { anonymous }).auth).toEqual({ anonymous })
    expect(() => readSettings({ HUB, UPSTREAM_URL }, { issuer: 'me' })).toThrow(/AUTH_SECRET is not set/)
  })

  it('is not a broker of its own unless "embedded" is set', () => {
    expect(() => readSettings({ HUB, AUTH_SECRET })).toThrow(/UPSTREAM_URL is not set.* or to "embedded"/)
  })

  it('shows no secret in an error', () => {
    expect(() => readSettings({ HUB, UPSTREAM_URL, AUTH_SECRET: 'hunter2' })).toThrow(/^(?!.*hunter2)/)
    const url = 'natz://user:hunter2@nats.example'
    expect(() => readSettings({ HUB, AUTH_SECRET, UPSTREAM_URL: url })).toThrow(/^(?!.*hunter2)/)
  })

  it('rejects a Worker without the binding HUB', () => {
    expect(() => readSettings({ AUTH_SECRET } as WorkerEnv)).toThrow(/binding HUB is missing/)
  })
})
