import type { ReceivedEvent } from '../contract/received-event.ts'
import { createDeferred } from '../kit/deferred.ts'
import type { Listeners } from '../kit/listeners.ts'

/**
 * Iterates over the current values and all updates. A newer value of a subject replaces one that was not read yet.
 * A value that was removed before it was read is skipped.
 * @param ended resolves when the subscription has ended
 */
export function iterateLatest(
  values: ReadonlyMap<string, ReceivedEvent>,
  updates: Listeners<ReceivedEvent>,
  ended: Promise<unknown>,
): Pick<AsyncGenerator<ReceivedEvent, undefined>, 'next' | 'return'> {
  const returned = createDeferred()
  const reader = read(values, updates, Promise.race([ended, returned.promise]))
  return {
    next: () => reader.next(),
    // A generator that waits for an update does not return.
    return(value) {
      returned.resolve()
      return reader.return(value)
    },
  }
}

async function* read(
  values: ReadonlyMap<string, ReceivedEvent>,
  updates: Listeners<ReceivedEvent>,
  ended: Promise<unknown>,
): AsyncGenerator<ReceivedEvent, undefined> {
  const changed = new Map(values)
  let wake = () => {}
  let over = false
  const end = () => {
    over = true
    wake()
  }
  ended.then(end, end)
  const release = updates.add((event) => {
    if (event.removed) changed.delete(event.subject)
    else changed.set(event.subject, event)
    wake()
  })
  try {
    while (!over) {
      for (const [subject, event] of changed) {
        changed.delete(subject)
        yield event
      }
      await new Promise<void>((resolve) => {
        wake = resolve
        if (over || changed.size > 0) resolve()
      })
    }
  } finally {
    release()
  }
}
