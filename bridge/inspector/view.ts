import type { Api } from './api.ts'

/** One view of the page. */
export interface View {
  /** Its elements. */
  readonly element: HTMLElement
  /** Time between refreshes, in ms. */
  readonly interval: number
  /** Reads and shows the current data. Called while the view is visible. */
  refresh(api: Api): Promise<void>
  /** The view is no longer visible. */
  hide?(): void
}
