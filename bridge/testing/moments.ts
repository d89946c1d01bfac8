/** Time that is real even if a test runner fakes timers. */

const { port1, port2 } = new MessageChannel()
const { setTimeout } = globalThis
const due: Array<() => void> = []
let releasing = false
port1.onmessage = () => due.shift()?.()
unref()

/** Resolves after the tasks that the event loop has queued. */
export function moment(): Promise<void> {
  return new Promise((resolve) => {
    due.push(() => {
      release()
      resolve()
    })
    ref()
    port2.postMessage(undefined)
  })
}

/** A port that waits keeps the process alive. Later, because Deno ignores `unref` inside a message handler. */
function release(): void {
  if (due.length > 0 || releasing) return
  releasing = true
  setTimeout(() => {
    releasing = false
    if (due.length === 0) unref()
  }, 0)
}

function unref(): void {
  ;(port1 as { unref?: () => void }).unref?.()
}

function ref(): void {
  ;(port1 as { ref?: () => void }).ref?.()
}
