import { expect, it } from 'vitest'
import { readSettings } from '../../../../../bridge/cli/settings/read-settings.ts'

const KEY = 'a-key-to-look-at-it-of-32-characters'

/** The option `monitoring` of `serve`. */
async function monitoringOf(env: Record<string, string>, bridge: object = {}, flags: Record<string, unknown> = {}) {
  const config = { config: { bridge }, file: 'spanwire.config.ts' }
  return (await readSettings({ env: { UPSTREAM_URL: 'embedded', ...env }, flags, config })).open().options.monitoring
}

it('parts of monitoring come from a flag, a variable and the configuration file', async () => {
  expect(await monitoringOf({ MONITORING_KEY: KEY, DEAD_LETTERS: 'dead.>, failed.*' })).toEqual({
    key: KEY,
    deadLetters: ['dead.>', 'failed.*'],
  })
  const file = { monitoring: { key: KEY, tail: false, deadLetters: ['dead.>'] } }
  expect(await monitoringOf({}, file)).toEqual({ key: KEY, tail: false, deadLetters: ['dead.>'] })
  expect(await monitoringOf({ DEAD_LETTERS: 'a' }, file, { 'dead-letters': 'failed.>' })).toEqual({
    key: KEY,
    tail: false,
    deadLetters: ['failed.>'],
  })
})

it('names the setting with a filter that is not valid, and an unknown part', async () => {
  await expect(monitoringOf({ DEAD_LETTERS: 'a..b' })).rejects.toThrow(/^DEAD_LETTERS .*a\.\.b/)
  await expect(monitoringOf({}, { monitoring: { keys: KEY } })).rejects.toThrow(
    'spanwire.config.ts has bridge.monitoring.keys, which is not an option: allowed are deadLetters, key, tail.',
  )
})
