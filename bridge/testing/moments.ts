/** Time that is real whatever a test runner fakes. */

const { port1, port2 } = new MessageChannel()
const due: Array<() => void> = []
port1.onmessage = () => due.shift()?.()
unref()

/** Resolves after what the event loop has in hand. */
export function moment(): Promise<void> {
  return new Promise((resolve) => {
    due.push(() => {
      if (due.length === 0) unref()
      resolve()
    })
    ref()
    port2.postMessage(undefined)
  })
}

/** A port that waits keeps a process alive. */
function unref(): void {
  ;(port1 as { unref?: () => void }).unref?.()
}
function ref(): void {
  ;(port1 as { ref?: () => void }).ref?.()
}
