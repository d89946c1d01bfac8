/** A contract as one page of HTML, without scripts and without requests: to be kept, mailed or served as it is. */
import type { EventDescription } from './event-description.ts'
import { describeType, type FieldRow, fieldRows } from './schema-rows.ts'

export interface HtmlOptions {
  readonly title: string
  readonly version: string
}

/** Writes the page. Everything that comes from the contract is escaped. */
export function contractHtml(events: readonly EventDescription[], { title, version }: HtmlOptions): string {
  const list = events.map((event, at) => `<li><a href="#event-${at}"><code>${escapeHtml(event.name)}</code></a></li>`)
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="color-scheme" content="light dark">
<title>${escapeHtml(title)} ${escapeHtml(version)}</title>
<style>${STYLE}</style>
</head>
<body>
<header><h1>${escapeHtml(title)}</h1><p>Version ${escapeHtml(version)}. ${events.length} events.</p></header>
<nav aria-label="Events"><ul>${list.join('')}</ul></nav>
<main>
${events.map(section).join('\n')}
</main>
</body>
</html>
`
}

function section(event: EventDescription, at: number): string {
  const { name, filter, params, stream, reply, contentType } = event
  const facts = [
    `Subject filter <code>${escapeHtml(filter)}</code>`,
    ...(stream === undefined ? [] : [`Kept in the stream <code>${escapeHtml(stream)}</code>`]),
    ...(reply ? ['A request'] : []),
    ...(contentType === 'application/json' ? [] : [`Data: <code>${escapeHtml(contentType)}</code>`]),
  ]
  const rows = params.map(({ name: param, isRest }): FieldRow => {
    return {
      path: param,
      type: isRest ? 'one or more tokens' : 'one token',
      isRequired: true,
      rules: '',
      description: '',
    }
  })
  return `<section id="event-${at}" aria-labelledby="title-${at}">
<h2 id="title-${at}"><code>${escapeHtml(name)}</code></h2>
<p>${facts.join('. ')}.</p>
${rows.length > 0 ? `<h3>Parameters</h3>\n${table(rows)}` : ''}
<h3>Data</h3>
${data(event)}
${reply ? `<h3>Answer</h3>\n${data(reply)}` : ''}
</section>`
}

function data({ schema, noSchema }: Pick<EventDescription, 'schema' | 'noSchema'>): string {
  if (!schema) return `<p>${escapeHtml(noSchema ?? 'No schema.')}</p>`
  const rows = fieldRows(schema)
  const type = `<p><code>${escapeHtml(describeType(schema))}</code></p>`
  const text = typeof schema.description === 'string' ? `<p>${escapeHtml(schema.description)}</p>` : ''
  const source = `<details><summary>JSON Schema</summary><pre>${escapeHtml(JSON.stringify(schema, null, 2))}</pre></details>`
  return `${text}${rows.length > 0 ? table(rows) : type}${source}`
}

function table(rows: readonly FieldRow[]): string {
  const body = rows.map(
    ({ path, type, isRequired, rules, description }) =>
      `<tr><th scope="row"><code>${escapeHtml(path)}</code></th><td>${escapeHtml(type)}${isRequired ? '' : ' <i>optional</i>'}</td><td>${escapeHtml([rules, description].filter(Boolean).join('. '))}</td></tr>`,
  )
  return `<div class="table"><table><thead><tr><th scope="col">Name</th><th scope="col">Type</th><th scope="col">Rules</th></tr></thead><tbody>${body.join('')}</tbody></table></div>`
}

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ESCAPES[character] ?? '')
}

const STYLE = `
:root { color-scheme: light dark; --line: light-dark(#ded8cb, #232f3a); --soft: light-dark(#53626c, #97a8b6); --brand: light-dark(#0b737c, #5fd4cc); --card: light-dark(#fffdf9, #121920); }
body { margin: 0 auto; max-width: 60rem; padding: 1.5rem 1rem 4rem; font: 16px/1.5 system-ui, sans-serif; background: light-dark(#f1efe9, #0b1015); color: light-dark(#17242d, #e8eef3); }
h1, h2, h3 { line-height: 1.2; } h1 { margin: 0; } h2 { font-size: 1.2rem; margin: 0 0 .5rem; overflow-wrap: anywhere; } h3 { font-size: .95rem; margin: 1.2rem 0 .4rem; }
header p, i { color: var(--soft); } a { color: var(--brand); } nav ul { padding-left: 1.2rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 1rem; margin: 1rem 0; }
section p { margin: .3rem 0; } .table { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; padding: .35rem .8rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
tbody th { font-weight: normal; } code, pre { font-family: ui-monospace, Menlo, Consolas, monospace; } pre { overflow-x: auto; font-size: .85rem; }
summary { cursor: pointer; color: var(--soft); margin-top: .6rem; }
`
