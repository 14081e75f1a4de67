<?xml version="1.0" encoding="UTF-8"?>
<!-- A feed as a page, for people who open its address in a browser. The texts are shown
     without their markup, so nothing of a post can become part of the page's own code. -->
<xsl:stylesheet version="1.0"
    xmlns:xsl="http://www.w3.org/1999/XSL/Transform"
    xmlns:atom="http://www.w3.org/2005/Atom"
    exclude-result-prefixes="atom">
  <xsl:output method="html" encoding="UTF-8" doctype-system="about:legacy-compat"/>

  <xsl:template match="/atom:feed">
    <xsl:call-template name="page">
      <xsl:with-param name="title" select="atom:title"/>
      <xsl:with-param name="about" select="atom:subtitle"/>
      <xsl:with-param name="home" select="atom:link[@rel='alternate']/@href"/>
      <xsl:with-param name="address" select="atom:link[@rel='self']/@href"/>
      <xsl:with-param name="entries" select="atom:entry"/>
    </xsl:call-template>
  </xsl:template>

  <xsl:template match="/rss">
    <xsl:call-template name="page">
      <xsl:with-param name="title" select="channel/title"/>
      <xsl:with-param name="about" select="channel/description[. != 'Statuspage']"/>
      <xsl:with-param name="home" select="channel/link"/>
      <xsl:with-param name="address" select="channel/atom:link/@href"/>
      <xsl:with-param name="entries" select="channel/item"/>
    </xsl:call-template>
  </xsl:template>

  <xsl:template name="page">
    <xsl:param name="title"/>
    <xsl:param name="about"/>
    <xsl:param name="home"/>
    <xsl:param name="address"/>
    <xsl:param name="entries"/>
    <html lang="en">
      <head>
        <meta name="viewport" content="width=device-width, initial-scale=1"/>
        <title><xsl:value-of select="$title"/></title>
        <link rel="stylesheet" href="/static/feed.css"/>
      </head>
      <body>
        <main>
          <h1><xsl:value-of select="$title"/></h1>
          <xsl:if test="$about"><p><xsl:value-of select="$about"/></p></xsl:if>
          <p class="note">This is a web feed. Copy its address into a feed reader to be told of
            every update: <code><xsl:value-of select="$address"/></code>.
            People read the same <a href="{$home}">on the status page</a>.</p>
          <xsl:if test="not($entries)"><p>Nothing has been told yet.</p></xsl:if>
          <xsl:apply-templates select="$entries"/>
        </main>
      </body>
    </html>
  </xsl:template>

  <xsl:template match="atom:entry">
    <article>
      <h2><a href="{atom:link[@rel='alternate']/@href}"><xsl:value-of select="atom:title"/></a></h2>
      <p class="when"><xsl:value-of select="translate(atom:published, 'T', ' ')"/></p>
      <p class="words"><xsl:choose>
        <xsl:when test="atom:summary"><xsl:value-of select="atom:summary"/></xsl:when>
        <xsl:otherwise><xsl:call-template name="words">
          <xsl:with-param name="html" select="string(atom:content)"/>
        </xsl:call-template></xsl:otherwise>
      </xsl:choose></p>
    </article>
  </xsl:template>

  <xsl:template match="item">
    <article>
      <h2><a href="{link}"><xsl:value-of select="title"/></a></h2>
      <p class="when"><xsl:value-of select="pubDate"/></p>
      <p class="words"><xsl:call-template name="words">
        <xsl:with-param name="html" select="string(description)"/>
      </xsl:call-template></p>
    </article>
  </xsl:template>

  <!-- The words of an HTML text: tags left out, breaks and paragraphs on lines of their own. -->
  <xsl:template name="words">
    <xsl:param name="html"/>
    <xsl:choose>
      <xsl:when test="contains($html, '&lt;') and contains(substring-after($html, '&lt;'), '&gt;')">
        <xsl:call-template name="characters">
          <xsl:with-param name="text" select="substring-before($html, '&lt;')"/>
        </xsl:call-template>
        <xsl:variable name="tag"
            select="substring-before(substring-after($html, '&lt;'), '&gt;')"/>
        <xsl:if test="$tag = '/p' or starts-with($tag, 'br')"><xsl:text>&#10;</xsl:text></xsl:if>
        <xsl:call-template name="words">
          <xsl:with-param name="html"
              select="substring-after(substring-after($html, '&lt;'), '&gt;')"/>
        </xsl:call-template>
      </xsl:when>
      <xsl:otherwise>
        <xsl:call-template name="characters">
          <xsl:with-param name="text" select="$html"/>
        </xsl:call-template>
      </xsl:otherwise>
    </xsl:choose>
  </xsl:template>

  <!-- The few references that our HTML holds. -->
  <xsl:template name="characters">
    <xsl:param name="text"/>
    <xsl:choose>
      <xsl:when test="contains($text, '&amp;')">
        <xsl:value-of select="substring-before($text, '&amp;')"/>
        <xsl:variable name="rest" select="substring-after($text, '&amp;')"/>
        <xsl:variable name="name" select="substring-before($rest, ';')"/>
        <xsl:choose>
          <xsl:when test="$name = 'lt'">&lt;</xsl:when>
          <xsl:when test="$name = 'gt'">&gt;</xsl:when>
          <xsl:when test="$name = 'amp'">&amp;</xsl:when>
          <xsl:when test="$name = 'quot' or $name = '#34'">"</xsl:when>
          <xsl:when test="$name = '#39'">'</xsl:when>
          <xsl:when test="$name = 'nbsp'">&#160;</xsl:when>
          <xsl:otherwise>&amp;<xsl:value-of select="$name"/>;</xsl:otherwise>
        </xsl:choose>
        <xsl:call-template name="characters">
          <xsl:with-param name="text" select="substring-after($rest, ';')"/>
        </xsl:call-template>
      </xsl:when>
      <xsl:otherwise><xsl:value-of select="$text"/></xsl:otherwise>
    </xsl:choose>
  </xsl:template>
</xsl:stylesheet>
