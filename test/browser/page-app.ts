/** What the pages of these tests load: the SDK, bundled as an application's bundler does it. */
import {
  bytes,
  connect,
  defineEvents,
  event,
  localStorageCursors,
  SpanwireError,
  type StandardSchema,
} from '../../sdk/index.ts'

const anything: StandardSchema<unknown> = {
  '~standard': { version: 1, vendor: 'test', validate: (value) => ({ value }) },
}
const spanwire = { anything, bytes, connect, defineEvents, event, localStorageCursors, SpanwireError }
Object.assign(globalThis, { spanwire })

/** For `page.evaluate`: what is global in those pages. */
export type PageApp = typeof spanwire
