import { connect } from '../../../sdk/connect.ts'
import type { Handle, StartFrom } from '../../../sdk/contract/bus.ts'
import { bytes } from '../../../sdk/contract/event.ts'
import type { ReceivedEvent } from '../../../sdk/contract/received-event.ts'
import { untyped } from '../../../sdk/contract/untyped-bus.ts'
import type { Transport } from '../../../sdk/transport/transport.ts'
import { element, make } from '../../page-kit/element.ts'
import { templateOf } from '../schema/filter-template.ts'

/** The subscriptions of the page: one chip each, which ends it. */
export class Subscriptions {
  readonly #transport: Transport
  readonly #received: (event: ReceivedEvent) => void
  readonly #active = new Map<string, Handle>()

  constructor(transport: Transport, received: (event: ReceivedEvent) => void) {
    this.#transport = transport
    this.#received = received
  }

  /**
   * Subscribes to a filter; a second call starts it again.
   * @param from of a stream; undefined for live events
   */
  async add(filter: string, from: StartFrom | undefined): Promise<void> {
    this.#end(filter)
    const name = templateOf(filter)
    const entry = bytes(from === undefined ? {} : { stream: 'any' })
    const bus = untyped(connect({ transport: this.#transport, events: { [name]: entry } }))
    const options = { ...(from !== undefined && { from }), onEnd: () => this.#end(filter) }
    const handle = bus.on(name, this.#received, options)
    this.#active.set(filter, handle)
    this.#draw()
    try {
      await handle.ready
    } catch (error) {
      this.#end(filter)
      throw error
    }
  }

  #end(filter: string): void {
    this.#active.get(filter)?.unsubscribe()
    if (this.#active.delete(filter)) this.#draw()
  }

  #draw(): void {
    const chips = [...this.#active.keys()].map((filter) => {
      const button = make('button', 'chip', filter, make('span', '', '×'))
      button.type = 'button'
      button.setAttribute('aria-label', `Stop ${filter}`)
      button.addEventListener('click', () => this.#end(filter))
      return make('li', '', button)
    })
    element('subscriptions').replaceChildren(...chips)
  }
}
