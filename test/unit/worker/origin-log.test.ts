import { afterEach, expect, it, vi } from 'vitest'
import { createWorker } from '../../../worker/index.ts'

const env = {
  HUB: {} as never,
  AUTH_SECRET: 'a secret of at least thirty-two bytes',
  UPSTREAM_URL: 'nats://127.0.0.1:9',
  MONITORING_KEY: 'a-key-to-look-at-it-of-32-characters',
}

afterEach(() => void vi.restoreAllMocks())

it.each(['/events?subject=a', '/hubz'])('the Worker logs refused pages of %s at a bounded rate', async (path) => {
  const lines: string[] = []
  vi.spyOn(console, 'error').mockImplementation((line) => void lines.push(line))
  const { worker } = createWorker()
  const request = (LOG: string) =>
    worker.fetch(new Request(`https://bridge.example${path}`, { headers: { Origin: 'https://evil.example' } }), {
      ...env,
      LOG,
    })
  for (let n = 0; n < 30; n++) expect((await request('info')).status).toBe(403)
  expect(lines).toHaveLength(20)
  expect(lines[0]).toMatch(/ warn origin-refused: Pages of https:\/\/evil\.example must not use this bridge\./)
})

it('the Worker logs nothing with LOG off', async () => {
  const error = vi.spyOn(console, 'error')
  const warn = vi.spyOn(console, 'warn')
  const headers = { Origin: 'https://evil.example' }
  const response = await createWorker().worker.fetch(
    new Request('https://bridge.example/events?subject=a', { headers }),
    {
      ...env,
      LOG: 'off',
    },
  )
  expect([response.status, error.mock.calls, warn.mock.calls]).toEqual([403, [], []])
})
