import { expect, it } from 'vitest'
import { OutageLog } from '../../../../demo/page/outage-log.ts'

it('has no outcome before the first connection and during an outage', () => {
  const log = new OutageLog()
  log.status(false, 0)
  expect(log.isDown).toBe(false)
  log.status(true, 500)
  expect(log.outcome).toBeUndefined()
  log.status(false, 1_000)
  expect(log.isDown).toBe(true)
  expect(log.outcome).toBeUndefined()
})

it('counts the late and the missing flights of each outage', () => {
  const log = new OutageLog()
  log.status(true, 0)
  log.status(false, 1_000)
  // Each attempt to connect reports the state again.
  log.status(false, 2_000)
  log.status(true, 4_200)
  expect(log.outcome).toBe('Back after 3.2 s. None is missing.')
  log.late()
  expect(log.outcome).toBe('Back after 3.2 s. 1 flight arrived late. None is missing.')
  for (let i = 0; i < 1_233; i++) log.late()
  log.lost(2)
  expect(log.outcome).toBe('Back after 3.2 s. 1,234 flights arrived late. The stream had removed 2 flights.')
  log.status(false, 10_000)
  log.status(true, 11_000)
  expect(log.outcome).toBe('Back after 1.0 s. None is missing.')
})
