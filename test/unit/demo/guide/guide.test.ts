import { expect, it } from 'vitest'
import { renderDocument } from '../../../../demo/guide/guide.ts'

it('leads links to documents to their pages, and makes other files plain text', () => {
  const { title, body, links } = renderDocument(
    'demo/README.md',
    '# The *demo*\n[a](page/README.md#top) [b](../README.md) [c](events.ts) [d](https://example.com/x.md) [e](../../x.md) [f](#g)',
  )
  expect(title).toBe('The *demo*')
  expect(links).toEqual(['demo/page/README.md', 'README.md'])
  expect(body).toContain('<a href="page/README.html#top">a</a> <a href="../index.html">b</a> c')
  expect(body).toContain('<a href="https://example.com/x.md">d</a> e <a href="#g">f</a>')
})

it('gives headings the ids of GitHub, and escapes code', () => {
  const { body } = renderDocument('README.md', '## A `b`, c\n## A b c\n```ts\nconst a = "<b>&"\n```\n')
  expect(body).toContain('<h2 id="a-b-c">A <code>b</code>, c</h2>')
  expect(body).toContain('<h2 id="a-b-c-1">')
  expect(body).toContain('const a = &quot;&lt;b&gt;&amp;&quot;')
})
