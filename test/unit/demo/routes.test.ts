import { decodeJwt } from 'jose'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { answerDemo, type DemoEnv } from '../../../demo/routes.ts'
import { type Control, startControl } from '../../../demo/setup/control.ts'

const SITE = 'http://127.0.0.1:8787'
let control: Control
let env: DemoEnv
let kills = 0

beforeAll(async () => {
  control = await startControl(() => kills++)
  env = { DEMO: '1', AUTH_SECRET: 'a secret of the tests that is long enough', DEMO_CONTROL: control.url }
})
afterAll(() => control.stop())

const kill = (headers: Record<string, string>, url = SITE) =>
  answerDemo(new Request(`${url}/demo/kill-nats`, { method: 'POST', headers }), env)
const get = (path: string, over: Partial<DemoEnv> = {}) => answerDemo(new Request(SITE + path), { ...env, ...over })

describe('the routes of the demo', () => {
  it('return a token of a visitor', async () => {
    const response = await get('/demo/token')
    const { token = '' } = ((await response?.json()) ?? {}) as { token?: string }
    expect(decodeJwt(token)).toMatchObject({ sub: expect.stringMatching(/^visitor-/), nats: { pub: {}, sub: {} } })
    expect(response?.headers.get('Cache-Control')).toBe('no-store')
  })

  it('do not exist without DEMO or a secret, and leave other paths to the bridge', async () => {
    expect(await get('/demo/token', { DEMO: '0' })).toBeUndefined()
    expect(await get('/demo/token', { AUTH_SECRET: '' })).toBeUndefined()
    expect(await get('/healthz')).toBeUndefined()
    expect(await get('/demo/other')).toBeUndefined()
  })

  it('kill NATS for the page on this machine, and for no other request', async () => {
    expect((await kill({ Origin: SITE }))?.status).toBe(202)
    expect(kills).toBe(1)
    const refused = [
      kill({}),
      kill({ Origin: 'http://evil.example' }),
      kill({ Origin: SITE, 'X-Forwarded-For': '203.0.113.9' }),
      kill({ Origin: SITE, 'CF-Connecting-IP': '203.0.113.9' }),
      // A page that resolves its own name to this machine.
      kill({ Origin: 'http://evil.example:8787' }, 'http://evil.example:8787'),
    ]
    for (const response of await Promise.all(refused)) expect(response?.status).toBe(403)
    expect(kills).toBe(1)
  })

  it('offer no kill where the demo runs no nats-server', async () => {
    const canKill = async (control: string | undefined) => {
      const { DEMO_CONTROL: _, ...others } = env
      const all = control === undefined ? others : { ...others, DEMO_CONTROL: control }
      return (await answerDemo(new Request(`${SITE}/demo/about`), all))?.json()
    }
    expect(await canKill(control.url)).toEqual({ canKillNats: true })
    expect(await canKill(undefined)).toEqual({ canKillNats: false })
  })
})

it('the control needs its secret path and a POST', async () => {
  const before = kills
  expect((await fetch(new URL('/', control.url), { method: 'POST' })).status).toBe(404)
  expect((await fetch(control.url)).status).toBe(404)
  expect(kills).toBe(before)
})
