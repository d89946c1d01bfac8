import { describe, expect, it } from 'vitest'
import type { SessionSnapshot } from '../../../bridge/delivery/session-snapshot.ts'
import type { HibernatableSocket, SyncStore } from '../../../worker/runtime.ts'
import { Snapshots } from '../../../worker/snapshots.ts'

const KIB = 1024

function sessionOf(bytes: number): SessionSnapshot {
  return {
    id: 'hub.1',
    inboxKey: 'k',
    flags: { verbose: false, pedantic: false, echo: true, headers: true, noResponders: true },
    subscriptions: [{ sid: '1', filter: 'x'.repeat(bytes), max: 0, delivered: 0 }],
    unansweredPings: 0,
    midOperation: false,
  }
}

/** A fake socket with the limit of the real one. test/workerd tests the real one. */
function socket(): HibernatableSocket {
  let attached: unknown = null
  return {
    readyState: 1,
    send() {},
    close() {},
    serializeAttachment(value) {
      if (JSON.stringify(value).length > 16 * KIB) throw new Error('too large')
      attached = structuredClone(value)
    },
    deserializeAttachment: () => attached,
  }
}

/** A fake store with the limit of the real one. */
function store(): SyncStore & { readonly entries: Map<string, unknown> } {
  const entries = new Map<string, unknown>()
  return {
    entries,
    get: (key) => entries.get(key),
    put(key, value) {
      if (JSON.stringify(value).length > 2 * KIB * KIB) throw new Error('too large')
      entries.set(key, structuredClone(value))
    },
    delete: (key) => entries.delete(key),
    list: () => entries,
  }
}

describe('Snapshots', () => {
  it('stores a small session on the socket', () => {
    const [kept, client] = [store(), socket()]
    new Snapshots(kept).save(client, sessionOf(KIB))
    expect(kept.entries.size).toBe(0)
    expect(new Snapshots(kept).load(client)).toEqual(sessionOf(KIB))
  })

  it('moves a large session to storage, and back to the socket when it is small again', () => {
    const [kept, client] = [store(), socket()]
    const snapshots = new Snapshots(kept)
    snapshots.save(client, sessionOf(40 * KIB))
    snapshots.save(client, sessionOf(50 * KIB))
    expect(kept.entries.size).toBe(1)
    const restored = new Snapshots(kept)
    expect(restored.load(client)).toEqual(sessionOf(50 * KIB))
    restored.save(client, sessionOf(KIB))
    expect(kept.entries.size).toBe(0)
    expect(restored.load(client)).toEqual(sessionOf(KIB))
  })

  it('loses a session that is too large, and does not return an older one', () => {
    const [kept, client] = [store(), socket()]
    const snapshots = new Snapshots(kept)
    snapshots.save(client, sessionOf(40 * KIB))
    snapshots.save(client, sessionOf(3 * KIB * KIB))
    expect(new Snapshots(kept).load(client)).toBeUndefined()
  })

  it('deletes the stored session of a closed socket', () => {
    const [kept, client] = [store(), socket()]
    const snapshots = new Snapshots(kept)
    snapshots.save(client, sessionOf(40 * KIB))
    snapshots.forget(client)
    expect(kept.entries.size).toBe(0)
  })

  it('sweeps stored sessions of sockets that no longer exist', () => {
    const [kept, gone, live] = [store(), socket(), socket()]
    const before = new Snapshots(kept)
    before.save(gone, sessionOf(40 * KIB))
    before.save(live, sessionOf(50 * KIB))
    const after = new Snapshots(kept)
    after.load(live)
    after.sweep([live])
    expect([...kept.entries.values()]).toEqual([sessionOf(50 * KIB)])
  })

  it('returns undefined for a socket without a session', () => {
    expect(new Snapshots(store()).load(socket())).toBeUndefined()
  })
})
