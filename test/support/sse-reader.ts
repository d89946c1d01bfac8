/** One event of an event stream. */
export interface SseEvent {
  readonly event: string
  readonly data: string
  readonly id: string | undefined
}

/** Reads an event stream by the HTML standard, without reconnecting. */
export class SseReader {
  /** Last `retry`, in ms. */
  retry: number | undefined
  /** Number of bytes in comments. */
  commented = 0
  /** Number of bytes in total. */
  received = 0
  readonly #reader: ReadableStreamDefaultReader<Uint8Array> | undefined
  readonly #decoder = new TextDecoder()
  readonly #events: SseEvent[] = []
  #text = ''

  constructor(response: Response) {
    const { body, headers } = response
    if (headers.get('Content-Type')?.startsWith('text/event-stream')) this.#reader = body?.getReader()
  }

  /** @throws Error at the end of the stream */
  async next(): Promise<SseEvent> {
    for (;;) {
      const event = this.#events.shift()
      if (event) return event
      if (!(await this.#read())) throw new Error('The event stream has ended.')
    }
  }

  async take(count: number): Promise<SseEvent[]> {
    const events: SseEvent[] = []
    while (events.length < count) events.push(await this.next())
    return events
  }

  /** Reads all events to the end of the stream. */
  async rest(): Promise<SseEvent[]> {
    while (await this.#read());
    return this.#events.splice(0)
  }

  async cancel(): Promise<void> {
    await this.#reader?.cancel().catch(() => {})
  }

  async #read(): Promise<boolean> {
    if (!this.#reader) throw new Error('This response is not an event stream.')
    const { done, value } = await this.#reader.read()
    this.received += value?.length ?? 0
    this.#text += this.#decoder.decode(value, { stream: !done })
    for (let end = this.#text.indexOf('\n\n'); end >= 0; end = this.#text.indexOf('\n\n')) {
      this.#parse(this.#text.slice(0, end).split('\n'))
      this.#text = this.#text.slice(end + 2)
    }
    return !done
  }

  #parse(lines: string[]): void {
    const field = (name: string) =>
      lines.filter((line) => line.startsWith(`${name}: `)).map((line) => line.slice(name.length + 2))
    for (const line of lines) if (line.startsWith(':')) this.commented += line.length
    const [retry] = field('retry')
    if (retry !== undefined) this.retry = Number(retry)
    const data = field('data')
    if (data.length > 0)
      this.#events.push({ event: field('event')[0] ?? 'message', data: data.join('\n'), id: field('id')[0] })
  }
}
