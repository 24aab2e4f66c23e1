// Adds comments of other readers while the page is open. Text is set as text, so markup in it stays inert.
const comments = document.querySelector("#comments");
const feed = new EventSource(comments.dataset.feed);
feed.addEventListener("comment", (event) => {
  const comment = JSON.parse(event.data);
  const id = `comment-${comment.id}`;
  if (document.getElementById(id)) return;
  const line = document.createElement("p");
  const author = document.createElement("strong");
  author.textContent = comment.author;
  line.id = id;
  line.append(author, ` ${comment.text}`);
  comments.append(line);
});
