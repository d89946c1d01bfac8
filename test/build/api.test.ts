import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { API_REPORT, reportApi } from './api.ts'

it('the report of the public API is current: otherwise run "npm run api" and commit test/build/api.md', async () => {
  const report = reportApi()
  expect(report.match(/^## /gm)?.length).toBeGreaterThan(15)
  expect(await readFile(API_REPORT, 'utf8')).toBe(report)
}, 60_000)
