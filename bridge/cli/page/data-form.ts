import { messageOf } from '../../../sdk/kit/error-text.ts'
import { membersOf } from '../../../sdk/kit/kinds.ts'
import { make } from '../../page-kit/element.ts'
import { exampleOf } from './example.ts'

type Keywords = Readonly<Record<string, unknown>>

/** Fields for a JSON Schema. */
export interface DataForm {
  readonly elements: readonly HTMLElement[]
  /**
   * The values of the fields.
   * @throws Error for a field that is not JSON where it must be
   */
  read(): unknown
}

/** Reads one field; undefined if it is left empty. */
type ReadField = () => unknown

/** A form for an object's schema; undefined where only JSON can express it. */
export function createDataForm(schema: Keywords | undefined): DataForm | undefined {
  if (schema?.type !== 'object' || typeof schema.properties !== 'object' || schema.properties === null) return undefined
  const names = Object.keys(schema.properties)
  return names.length === 0 ? undefined : objectForm(schema, '', 0)
}

function objectForm(schema: Keywords, path: string, depth: number): DataForm {
  const required = Array.isArray(schema.required) ? schema.required : []
  const fields = Object.entries(membersOf(schema.properties)).map(([name, inner]) => {
    const isRequired = required.includes(name)
    return { name, isRequired, ...createField(name, membersOf(inner), { isRequired, path: `${path}${name}`, depth }) }
  })
  return {
    elements: fields.map(({ element }) => element),
    read: () =>
      Object.fromEntries(
        fields.flatMap(({ name, read }) => {
          const value = read()
          return value === undefined ? [] : [[name, value]]
        }),
      ),
  }
}

interface Place {
  readonly isRequired: boolean
  readonly path: string
  readonly depth: number
}

function createField(name: string, schema: Keywords, place: Place): { element: HTMLElement; read: ReadField } {
  const { type, enum: values, properties } = schema
  if (type === 'object' && properties && place.depth < 3 && place.isRequired) {
    const form = objectForm(schema, `${place.path}.`, place.depth + 1)
    const fields = make('div', 'fields', ...form.elements)
    return { element: make('fieldset', 'group', make('legend', '', name), fields), read: form.read }
  }
  if (Array.isArray(values) && values.every((value) => typeof value === 'string'))
    return choiceField(name, values, place)
  if (type === 'boolean') return checkField(name, schema, place)
  if (type === 'string' || type === 'number' || type === 'integer') return inputField(name, schema, place)
  return jsonField(name, schema, place)
}

function labelled(name: string, control: HTMLElement, { isRequired, path }: Place, className = 'field'): HTMLElement {
  control.id = `data-${path.replaceAll(/[^\w]/g, '-')}`
  const hint = isRequired ? [] : [make('span', 'hint', ' optional')]
  const label = make('label', '', name, ...hint)
  label.htmlFor = control.id
  return make('div', className, label, control)
}

function choiceField(name: string, values: readonly string[], place: Place) {
  const options = place.isRequired ? values : ['', ...values]
  const select = make('select', '', ...options.map((value) => new Option(value || '–', value)))
  return { element: labelled(name, select, place), read: () => select.value || undefined }
}

function checkField(name: string, schema: Keywords, place: Place) {
  const input = make('input')
  input.type = 'checkbox'
  input.checked = schema.default === true
  const element = labelled(name, input, place, 'field check')
  element.prepend(input)
  return { element, read: () => input.checked }
}

function inputField(name: string, schema: Keywords, place: Place) {
  const input = make('input')
  const isNumber = schema.type !== 'string'
  input.type = isNumber ? 'number' : 'text'
  input.autocomplete = 'off'
  input.required = place.isRequired && (isNumber || Number(schema.minLength) > 0)
  if (isNumber) {
    input.step = schema.type === 'integer' ? '1' : 'any'
    const { minimum, maximum } = schema
    if (typeof minimum === 'number' && minimum > -1e15) input.min = String(minimum)
    if (typeof maximum === 'number' && maximum < 1e15) input.max = String(maximum)
  } else if (typeof schema.maxLength === 'number') input.maxLength = schema.maxLength
  if (place.isRequired) input.value = String(exampleOf(schema) ?? '')
  const read = () => {
    if (input.value === '') return place.isRequired && !isNumber ? '' : undefined
    return isNumber ? Number(input.value) : input.value
  }
  return { element: labelled(name, input, place), read }
}

/** For types without a field of their own: lists, unions, anything. */
function jsonField(name: string, schema: Keywords, place: Place) {
  const area = make('textarea')
  area.rows = 3
  area.spellcheck = false
  if (place.isRequired) area.value = JSON.stringify(exampleOf(schema), null, 2)
  const read = () => {
    if (area.value.trim() === '') return undefined
    try {
      return JSON.parse(area.value)
    } catch (error) {
      throw new Error(`${place.path} is not JSON: ${messageOf(error)}`)
    }
  }
  return { element: labelled(`${name} (JSON)`, area, place, 'field wide'), read }
}
