import { connect } from '../../sdk/index.ts'
import { events } from './events.ts'

const { user } = await session()
const bus = connect({ url: location.origin, events, token: async () => (await session()).token, via: 'websocket' })

const form = document.querySelector('form') as HTMLFormElement
const input = document.querySelector('input') as HTMLInputElement
const stop = document.querySelector('#stop') as HTMLButtonElement
const show = (id: string, text: string): void => {
  const element = document.querySelector(`#${id}`)
  if (element) element.textContent = text
}

let reading: { unsubscribe(): void } | undefined

/** Shows an answer from its beginning, then its new tokens. */
function read(answer: string): void {
  reading?.unsubscribe()
  let text = ''
  const showAnswer = (whole: string, state: string): void => {
    text = whole
    show('answer', text)
    show('state', state)
    stop.disabled = state !== 'answering'
  }
  showAnswer('', answer === '' ? 'no question' : 'waiting')
  if (answer === '') return
  reading = bus.on(
    'answers.{user}.{answer}',
    { user, answer },
    ({ data }) => {
      if (data.kind === 'begin') show('question', data.question)
      if (data.kind === 'begin') showAnswer('', 'answering')
      else if (data.kind === 'token') showAnswer(text + data.text, 'answering')
      else showAnswer(data.text, data.reason)
    },
    { from: 'all' },
  )
}

form.addEventListener('submit', async (event) => {
  event.preventDefault()
  const answer = crypto.randomUUID()
  // The address names the answer: after a reload, and on another device.
  location.hash = answer
  await bus.publish('questions.{user}.{answer}', { user, answer }, { text: input.value })
})
stop.addEventListener('click', () => bus.publish('stops.{user}.{answer}', { user, answer: answerOfPage() }, {}))
addEventListener('hashchange', () => read(answerOfPage()))
read(answerOfPage())

function answerOfPage(): string {
  return location.hash.slice(1)
}

async function session(): Promise<{ user: string; token: string }> {
  return (await fetch('session')).json()
}
