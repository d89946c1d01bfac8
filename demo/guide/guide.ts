import { existsSync } from 'node:fs'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { dirname, join, relative } from 'node:path'
import { Marked, type Tokens } from 'marked'

const root = join(import.meta.dirname, '../..')
/** The first page of the guide. Pages that it links to, directly or not, are the other pages. */
const START = 'README.md'
const NAME = 'Spanwire'

/** Writes the documents of the repository as pages below `dist/guide/`, and returns the paths of the documents. */
export async function buildGuide(dist: string, style: string): Promise<string[]> {
  const template = await readFile(join(import.meta.dirname, 'guide.html'), 'utf8')
  const documents = [START]
  // Grows while it is iterated.
  for (const document of documents) {
    const { title, body, links } = renderDocument(document, await readFile(join(root, document), 'utf8'))
    documents.push(...links.filter((link) => !documents.includes(link)))
    const page = pageOf(document)
    const values: Record<string, string> = {
      title: title === NAME ? `${NAME}: the guide` : `${title} · ${NAME}`,
      body,
      style: `${relative(dirname(page), '.') || '.'}/${style}`,
    }
    values.home = `${relative(dirname(page), '.')}/`
    const path = join(dist, page)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(
      path,
      template.replace(/@@(\w+)@@/g, (_, name: string) => values[name] ?? ''),
    )
  }
  return documents
}

/** A document as HTML. */
export interface Rendered {
  readonly title: string
  readonly body: string
  /** Documents that it links to, as paths from the root of the repository. */
  readonly links: readonly string[]
}

/** Renders Markdown. Links to other documents lead to their pages. Links to other files become plain text. */
export function renderDocument(document: string, markdown: string): Rendered {
  const links = new Set<string>()
  const ids = new Map<string, number>()
  let title = ''
  const marked = new Marked({
    renderer: {
      heading({ tokens, depth, text }: Tokens.Heading): string {
        if (depth === 1 && title === '') title = text
        const id = anchorOf(text, ids)
        return `<h${depth} id="${id}">${this.parser.parseInline(tokens)}</h${depth}>\n`
      },
      link({ href, tokens }: Tokens.Link): string {
        const text = this.parser.parseInline(tokens)
        if (/^(\w+:|#)/.test(href)) return `<a href="${escapeHtml(href)}">${text}</a>`
        const [path = '', hash] = href.split('#')
        const target = join(dirname(document), path)
        if (!target.endsWith('.md') || target.startsWith('..') || !existsSync(join(root, target))) return text
        links.add(target)
        const page = relative(dirname(pageOf(document)), pageOf(target))
        return `<a href="${page}${hash === undefined ? '' : `#${escapeHtml(hash)}`}">${text}</a>`
      },
      // The pages lie next to the demo, which the images show.
      image: () => '',
      code({ text }: Tokens.Code): string {
        // It scrolls, so the keyboard must reach it.
        return `<pre tabindex="0"><code>${escapeHtml(text)}</code></pre>\n`
      },
      table(token: Tokens.Table): string {
        const cells = (row: Tokens.TableCell[], tag: string) =>
          row.map(({ tokens }) => cell(this.parser.parseInline(tokens), tag)).join('')
        const head = `<thead><tr>${cells(token.header, 'th')}</tr></thead>`
        const body = token.rows.map((row) => `<tr>${cells(row, 'td')}</tr>`).join('')
        return `<div class="table" tabindex="0"><table>${head}<tbody>${body}</tbody></table></div>\n`
      },
    },
  })
  const body = marked.parse(markdown, { async: false })
  return { title: title || document, body, links: [...links] }
}

/** A cell of a table. A heading without a text is a plain cell. */
function cell(html: string, tag: string): string {
  return html === '' ? '<td></td>' : `<${tag}>${html}</${tag}>`
}

/** The page of a document, from the folder of the build. */
function pageOf(document: string): string {
  return document === START ? 'guide/index.html' : `guide/${document.replace(/\.md$/, '.html')}`
}

/** The id that GitHub gives to a heading. */
function anchorOf(text: string, ids: Map<string, number>): string {
  const plain = text
    .toLowerCase()
    .replace(/[^\p{L}\p{N}\s_-]/gu, '')
    .trim()
    .replaceAll(' ', '-')
  const earlier = ids.get(plain) ?? 0
  ids.set(plain, earlier + 1)
  return earlier === 0 ? plain : `${plain}-${earlier}`
}

function escapeHtml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll('"', '&quot;')
}
