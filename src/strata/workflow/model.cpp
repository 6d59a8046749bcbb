#include "strata/workflow/model.h"

#include "strata/checkpoint/checkpoint.h"
#include "strata/workflow/text.h"

namespace strata {

Model Model::open(const std::filesystem::path& path) {
  return Model(std::make_shared<Checkpoint>(Checkpoint::open(path)));
}

const std::string& Model::name() const {
  return checkpoint_->name();
}
int Model::blocks() const {
  return checkpoint_->config().n_layers;
}
int Model::hidden() const {
  return static_cast<int>(checkpoint_->config().hidden);
}
int Model::vocabulary() const {
  return static_cast<int>(checkpoint_->config().vocab);
}
int Model::max_context() const {
  return static_cast<int>(checkpoint_->config().max_context);
}

const std::string& Text::name() const {
  return loaded_->corpus.name;
}
std::size_t Text::documents() const {
  return loaded_->corpus.documents.size();
}
std::size_t Text::windows() const {
  return loaded_->corpus.windows.size();
}
std::int64_t Text::tokens() const {
  return loaded_->corpus.token_count();
}
const std::vector<std::string>& Text::notes() const {
  return loaded_->corpus.notes;
}

Text load_text(const Model& model, const TextOptions& options) {
  return Text(std::make_shared<LoadedText>(load_text(model.checkpoint(), options)));
}

}  // namespace strata
