import { describe, expect, it } from 'vitest'
import { OpenBatches } from '../../../../bridge/auth/open-batches.ts'
import { readCommands } from '../../../../bridge/auth/server-commands.ts'
import { encodeHeaders } from '../../../../sdk/wire/headers.ts'

const read = (fields: ReadonlyArray<readonly [string, string]>, version = '2.9.10', apiLevel?: number) =>
  readCommands(encodeHeaders(fields), { version, ...(apiLevel !== undefined && { apiLevel }) })

describe('commands of headers', () => {
  it('are ignored by servers that are older than them', () => {
    expect(read([['Nats-TTL', '5s']]).ignored).toBe('Nats-TTL, which requires nats-server 2.11 (this one is 2.9.10)')
    expect(read([['Nats-TTL', '5s']], '2.11.0', 1).ignored).toBeUndefined()
    expect(read([['Nats-Schedule', '@at x']], '2.11.0', 1).ignored).toContain('nats-server 2.12')
    expect(read([['Nats-Schedule-Time-Zone', 'UTC']], '2.12.0', 2).ignored).toContain('nats-server 2.14')
    expect(read([['Nats-Batch-Id', 'x']], '2.10.0').ignored).toContain('Nats-Batch-Id')
    expect(read([['Nats-Msg-Id', 'x']])).toEqual({})
    expect(read([['Nats-Rollup', 'sub']])).toEqual({})
    expect(readCommands(encodeHeaders([['Nats-TTL', '5s']]), {})).toEqual({})
  })

  it('name the batch of a message', () => {
    const id = ['Nats-Batch-Id', 'b'] as const
    const of = (...fields: ReadonlyArray<readonly [string, string]>) => read([id, ...fields], '2.15.1', 5).batch
    expect(of(['Nats-Batch-Sequence', '2'])).toEqual({ id: 'b', seq: 2, commits: false })
    expect(of(['Nats-Batch-Sequence', '3'], ['Nats-Batch-Commit', 'eob'])).toEqual({ id: 'b', seq: 3, commits: true })
    expect(of(['Nats-Batch-Sequence', 'x'])?.seq).toBeNaN()
  })
})

describe('open batches', () => {
  const part = (id: string, seq = 1, commits = false) => ({ id, seq, commits })

  it('are bounded by user until they are committed or idle', () => {
    const open = new OpenBatches(2)
    expect([open.take('a', part('1'), 0), open.take('a', part('2'), 0), open.take('a', part('3'), 0)]).toEqual([
      true,
      true,
      false,
    ])
    expect(open.take('b', part('1'), 0)).toBe(true)
    expect(open.take('a', part('1', 2, true), 0)).toBe(true)
    expect(open.take('a', part('3'), 5_000)).toBe(true)
    expect(open.take('a', part('4'), 10_000)).toBe(false)
    // The second one has had no message for more than 10 s.
    expect(open.take('a', part('4'), 10_001)).toBe(true)
    expect([open.take('c', part('x', 1_000), 0), open.take('c', part('x', 1_001), 0)]).toEqual([true, false])
  })

  it('of many users take bounded memory', () => {
    const open = new OpenBatches(1)
    for (let n = 0; n < 20_000; n++) expect(open.take(`user${n}`, part('1'), 0)).toBe(true)
  })
})
